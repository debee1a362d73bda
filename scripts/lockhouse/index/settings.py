"""Where to look: what of pip's configuration, of the sources' option lines and of our own configuration says so.

Of pip's configuration only what says *where and how to connect* gets through; a folder that one machine's configuration
names, its constraints and its format choices do not.
"""

import fnmatch
import os
from collections.abc import Mapping
from dataclasses import dataclass

from packaging.utils import NormalizedName
from pip._internal.configuration import Configuration
from pip._internal.exceptions import ConfigurationError

from lockhouse import process
from lockhouse.config import Config
from lockhouse.errors import ConfigError
from lockhouse.layers import LoadedLayer

# What of pip's configuration says where and how to connect, by its long option name.
_CONNECTION_SETTINGS = frozenset(
    {
        "cert",
        "client-cert",
        "default-timeout",
        "extra-index-url",
        "index-url",
        "keyring-provider",
        "no-index",
        "no-proxy-env",
        "proxy",
        "resume-retries",
        "retries",
        "timeout",
        "trusted-host",
        "use-deprecated",
    }
)
_KEYRING = ("PYTHON_KEYRING_BACKEND",)


@dataclass(frozen=True, slots=True)
class Bindings:
    """Which projects are had from one index only: pairs of a pattern for names and the URL of that index."""

    pairs: tuple[tuple[str, str], ...]

    def index_of(self, name: NormalizedName) -> str | None:
        """Return the index that a project is bound to, or None; the longest pattern counts."""
        matching = [(len(pattern), url) for pattern, url in self.pairs if fnmatch.fnmatchcase(name, pattern)]
        return max(matching)[1] if matching else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What one layer's sources say about where to look: the option lines that pip knows, and the project's find-links.

    `index_url` replaces the configured index, as `--index-url` in a requirements file does.
    """

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    no_index: bool = False

    @classmethod
    def of(cls, layer: LoadedLayer, config: Config) -> "Scope":
        """Return where a layer is to be looked for: the option lines of its sources, and the project's find-links.

        A find-links path is relative to the file that names it, or to the project's root.
        """
        index_url: str | None = None
        values: dict[str, list[str]] = {"--extra-index-url": [], "--find-links": [], "--trusted-host": []}
        no_index = False
        for option in (option for tree in layer.sources for option in tree.options):
            if option.name == "--index-url":
                index_url = option.value
            elif option.name == "--no-index":
                no_index = True
            elif option.name in values and option.value:
                beside = config.root / option.location.path.parent / option.value
                is_path = option.name == "--find-links" and beside.exists()
                values[option.name].append(str(beside) if is_path else option.value)
        places = [str(config.root / place) if (config.root / place).exists() else place for place in config.find_links]
        return cls(
            index_url=index_url,
            extra_index_urls=tuple(values["--extra-index-url"]),
            find_links=(*values["--find-links"], *places),
            trusted_hosts=tuple(values["--trusted-host"]),
            no_index=no_index,
        )


def pip_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which pip connects as the user configured it, and takes nothing else from anybody.

    pip's configuration files and `PIP_*` variables are read as `pip install` reads them; what concerns connections
    comes back as variables, and the files are shut out. Raises ConfigError where pip's configuration is unreadable.
    """
    with process.own_environment(environ):
        configuration = Configuration(isolated=False)
        try:
            configuration.load()
            settings = _in_order(configuration)
        except (ConfigurationError, UnicodeError) as error:
            raise ConfigError(f"pip's configuration cannot be read: {error}", hint="see `pip config debug`") from error
    clean = process.without(environ, "PIP_", "UV_", "PYTHON")
    # keyring's, though it is called as if it were Python's: which of its backends to ask.
    clean |= {name: environ[name] for name in _KEYRING if name in environ}
    clean |= {f"PIP_{key.upper().replace('-', '_')}": value for key, value in settings.items()}
    clean |= {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return clean


def _in_order(configuration: Configuration) -> dict[str, str]:
    sections: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for _, values in configuration.items():  # noqa: PERF102 - not a mapping, though it looks like one
        for dotted, value in values.items():
            section, _, key = dotted.partition(".")
            if section in sections and key in _CONNECTION_SETTINGS and value:
                sections[section][key] = " ".join(str(value).split())
    return {key: value for settings in sections.values() for key, value in settings.items()}
