"""The environment variables that a test's programs see: nothing but what is needed, or all that users' machines add.

Whatever a program then wants from outside loopback ends at a proxy that does not exist.
"""

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

# Port 9 is the discard service's, which no machine runs any more.
FENCE: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"], "http://127.0.0.1:9")
    | dict.fromkeys(["no_proxy", "NO_PROXY"], "127.0.0.1,localhost")
)
# Measuring coverage in subprocesses, and parallel tests, need theirs.
_PASSED = ("COVERAGE_", "COV_", "PYTEST_XDIST")
_SCRUBBED = ("PIP_", "UV_", "PYTHONPATH", "VIRTUAL_ENV", "CONDA_")


def clean_environ(home: Path, base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return PATH, an empty HOME, a UTF-8 locale, no pip configuration, the proxy fence and what the Make include sets."""
    home.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in base.items() if name in {"PATH", "TMPDIR"} or name.startswith(_PASSED)}
    return {
        **kept,
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PIP_CONFIG_FILE": os.devnull,
        "LOCKHOUSE_MAKE": "make ",
        **FENCE,
    }


def scrub(environ: dict[str, str] | os._Environ[str]) -> None:
    """Remove in place what would make this process's own pip differ from machine to machine, and raise the fence."""
    for name in list(environ):
        if name.startswith(_SCRUBBED) or name.lower().endswith("_proxy"):
            del environ[name]
    environ.update(FENCE, PIP_CONFIG_FILE=os.devnull)


@dataclass(frozen=True, slots=True)
class Machine:
    """What a way of pollution works on: a HOME, its variables, a folder of unwanted wheels and an unwanted index."""

    home: Path
    environ: dict[str, str]
    wheels: Path
    index_url: str
    constraint: str

    def write(self, path: str, text: str) -> Path:
        """Write a file below HOME and return its path."""
        file = self.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def use_pip_conf(self) -> None:
        """Let pip read configuration files again."""
        self.environ.pop("PIP_CONFIG_FILE", None)

    @property
    def pip_conf(self) -> str:
        """A pip.conf with find-links and an extra index, for every command and for single ones."""
        return (
            f"[global]\nfind-links = {self.wheels}\nextra-index-url = {self.index_url}\n"
            f"[install]\nfind-links = {self.wheels}\nno-compile = false\n[wheel]\nfind-links = {self.wheels}\n"
        )


def _user_conf(machine: Machine) -> None:
    machine.use_pip_conf()
    machine.write(".config/pip/pip.conf", machine.pip_conf)


def _legacy_conf(machine: Machine) -> None:
    machine.use_pip_conf()
    machine.write(".pip/pip.conf", machine.pip_conf)


def _global_conf(machine: Machine) -> None:
    # Where /etc/xdg stands on a real machine; `--isolated` reads this one too.
    machine.use_pip_conf()
    file = machine.write("etc/xdg/pip/pip.conf", machine.pip_conf)
    machine.environ["XDG_CONFIG_DIRS"] = str(file.parent.parent)


def _named_conf(machine: Machine) -> None:
    machine.environ["PIP_CONFIG_FILE"] = str(machine.write("named/pip.conf", machine.pip_conf))


def _constraint(machine: Machine) -> None:
    machine.environ["PIP_CONSTRAINT"] = str(machine.write("constraint.txt", machine.constraint + "\n"))


def _build_constraint(machine: Machine) -> None:
    machine.environ["PIP_BUILD_CONSTRAINT"] = str(machine.write("build-constraint.txt", "setuptools==0.1\n"))


def _netrc(machine: Machine) -> None:
    machine.write(".netrc", "default login somebody password wrong-from-netrc\n").chmod(0o600)


def _pydistutils(machine: Machine) -> None:
    machine.write(".pydistutils.cfg", f"[install]\nprefix = {machine.home / 'prefix'}\n")


def _uv_conf(machine: Machine) -> None:
    machine.write(".config/uv/uv.toml", f"find-links = ['{machine.wheels}']\n[[index]]\nurl = '{machine.index_url}'\n")


_SITECUSTOMIZE = """\
import os, sys
with open({log!r}, "a", encoding="utf-8") as file:
    file.write(repr(sys.orig_argv) + "\\n")
if sys.orig_argv[1:3] != ["-m", "lockhouse"]:
    os.write(2, b"PYTHONPATH reached " + repr(sys.orig_argv).encode() + b"\\n")
    os._exit(97)
"""


def _pythonpath(machine: Machine) -> None:
    # Ends every Python that heeds PYTHONPATH with status 97, but for the one that the user starts, who cannot help it.
    log = machine.home / "sitecustomize.log"
    file = machine.write("pythonpath/sitecustomize.py", _SITECUSTOMIZE.format(log=str(log)))
    machine.environ["PYTHONPATH"] = str(file.parent)


def _user_site(machine: Machine) -> None:
    base = machine.home / "userbase"
    folder = f"userbase/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    log = machine.home / "usercustomize.log"
    machine.write(f"{folder}/usercustomize.py", _SITECUSTOMIZE.format(log=str(log)))
    machine.environ["PYTHONUSERBASE"] = str(base)


def _variables(**variables: str) -> Callable[[Machine], None]:
    """Return a way that sets variables; `{wheels}`, `{index_url}` and `{home}` stand for the machine's."""

    def pollute(machine: Machine) -> None:
        facts = {"wheels": machine.wheels, "index_url": machine.index_url, "home": machine.home}
        machine.environ.update({name: value.format(**facts) for name, value in variables.items()})

    return pollute


POLLUTIONS: Mapping[str, Callable[[Machine], None]] = MappingProxyType(
    {
        # pip's configuration files
        "pip-user-conf": _user_conf,
        "pip-legacy-conf": _legacy_conf,
        "pip-global-conf": _global_conf,
        "pip-named-conf": _named_conf,
        # where pip looks
        "pip-find-links": _variables(PIP_FIND_LINKS="{wheels}"),
        "pip-extra-index": _variables(PIP_EXTRA_INDEX_URL="{index_url}"),
        "pip-no-index": _variables(PIP_NO_INDEX="1"),
        # what pip takes
        "pip-constraint": _constraint,
        "pip-build-constraint": _build_constraint,
        "pip-no-binary": _variables(PIP_NO_BINARY=":all:"),
        "pip-only-binary": _variables(PIP_ONLY_BINARY=":all:"),
        "pip-pre": _variables(PIP_PRE="1"),
        "pip-platform": _variables(PIP_PLATFORM="win_amd64"),
        "pip-uploaded-prior-to": _variables(PIP_UPLOADED_PRIOR_TO="2001-01-01"),
        "pip-require-hashes": _variables(PIP_REQUIRE_HASHES="1"),
        "pip-no-deps": _variables(PIP_NO_DEPS="1"),
        # where and whether pip installs
        "pip-target": _variables(PIP_TARGET="{home}/target"),
        "pip-prefix": _variables(PIP_PREFIX="{home}/prefix"),
        "pip-root": _variables(PIP_ROOT="{home}/root"),
        "pip-user": _variables(PIP_USER="1"),
        "pip-python": _variables(PIP_PYTHON="{home}/no-python"),
        "pip-dry-run": _variables(PIP_DRY_RUN="1"),
        "pip-require-virtualenv": _variables(PIP_REQUIRE_VIRTUALENV="1"),
        "pip-no-build-isolation": _variables(PIP_NO_BUILD_ISOLATION="1"),
        # what pip says
        "pip-quiet": _variables(PIP_QUIET="3"),
        "pip-verbose": _variables(PIP_VERBOSE="3"),
        "pip-log": _variables(PIP_LOG="{home}/pip.log"),
        # uv's
        "uv-conf": _uv_conf,
        "uv-find-links": _variables(UV_FIND_LINKS="{wheels}"),
        "uv-index": _variables(UV_INDEX="{index_url}", UV_INDEX_STRATEGY="unsafe-best-match"),
        "uv-no-binary": _variables(UV_NO_BINARY="1"),
        "uv-prerelease": _variables(UV_PRERELEASE="allow"),
        # Python's
        "pythonpath": _pythonpath,
        "user-site": _user_site,
        "python-optimize": _variables(PYTHONOPTIMIZE="2"),
        "python-warnings": _variables(PYTHONWARNINGS="error"),
        "python-encoding": _variables(PYTHONUTF8="0", PYTHONIOENCODING="ascii", LC_ALL="C"),
        "virtual-env": _variables(VIRTUAL_ENV="{home}/other-env", CONDA_PREFIX="{home}/conda"),
        # what builds and pip-compile read
        "netrc": _netrc,
        "pydistutils": _pydistutils,
        "build-flags": _variables(SOURCE_DATE_EPOCH="1", CFLAGS="-O0 -g3", TZ="Pacific/Chatham"),
        "compile-command": _variables(CUSTOM_COMPILE_COMMAND="somebody else's command"),
    }
)
"""Every way by its name, for parametrising tests and for `polluted_environ`."""


def polluted_environ(
    home: Path,
    ways: Iterable[str],
    *,
    wheels: Path,
    index_url: str = "http://127.0.0.1:9/simple/",
    constraint: str = "pip==0.1",
    base: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """Return the clean environment with the named `POLLUTIONS` on top, whose files are written into `home`.

    `wheels` is a folder of wheels that must not be used, `index_url` such an index, `constraint` a line that would change the outcome.
    """
    machine = Machine(home, clean_environ(home, base), wheels, index_url, constraint)
    for way in ways:
        POLLUTIONS[way](machine)
    return machine.environ
