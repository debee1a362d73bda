"""`[tool.lockhouse]` of pyproject.toml and the layers it means; without it, the layout that pip-compile users have.

Refuses unknown keys (naming the nearest right one), wrong types, and layers that are not there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath, PurePosixPath
from urllib.parse import urlsplit

import tomli
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from lockhouse import accept
from lockhouse.accept import Acceptance
from lockhouse.errors import ConfigError, Location, UsageError, nearest
from lockhouse.pyproject import Tables
from lockhouse.redact import redact

# How many files are fetched at once where the configuration does not say.
CONNECTIONS = 20

_OF_A_LAYER = ("constraints", "lock", "sources")

# Every key of [tool.lockhouse] with its default and meaning; the table in docs/configuration.md is held equal to this by a test.
KEYS: Mapping[str, tuple[str, str]] = {
    "accept": ("none", "findings that are put up with for a time, each with a reason"),
    "build-isolation": (
        "`best`",
        "`strict` refuses to build where a build cannot be cut off from the network and from other files",
    ),
    "connections": (str(CONNECTIONS), "how many files are fetched from an index at the same time"),
    "cooldown-days": ("none", "`lock` takes no release that is younger than so many days"),
    "editable": ("`true`", "`local` projects are installed in place: a change shows at once; `false`: as wheels"),
    "engine": (
        "`auto`",
        "what puts wheels into the environment: `pip`, `uv`, or uv where it is there and known to work",
    ),
    "environments": (
        "layers joined by `-c` or `-r`",
        'sets of layers that are installed together: `{ default = ["main", "dev"] }`',
    ),
    "find-links": ("none", "folders or pages with wheels, named by the project itself"),
    "index-for": (
        "none",
        'projects that are had from one index only: `{ "acme-*" = "https://pkgs.example.com/acme/simple/" }`',
    ),
    "layers": (
        "each `requirements/*.in`",
        'locks, their sources, and the layers they build on: `{ app = { lock = "app.txt", sources = ["app.in"], constraints = ["main"] } }`',
    ),
    "local": ("none", 'folders of your own projects, installed after the locks: `[".", "../common[fast]"]`'),
    "no-binary": ("none", "projects that are built from source though there is a wheel"),
    "python": (
        "that of `venv`, else the running one",
        'the Python that the locks are for: `"3.11"`; an environment of another one is an error',
    ),
    "venv": ("`.venv`", "the environment that `install` makes"),
    "wheelhouse": ("`wheelhouse`", "the directory of wheels"),
}


@dataclass(frozen=True, slots=True)
class Layer:
    """A lock and its sources, as paths relative to the project's root; a lock may come without sources.

    `tables` say what is taken from those sources that are a pyproject.toml; `constraints` are the locks it builds on.
    """

    name: str
    lock: PurePosixPath
    sources: tuple[PurePosixPath, ...]
    tables: tuple[Tables, ...] = ()
    constraints: tuple[PurePosixPath, ...] = ()

    @property
    def words(self) -> set[str]:
        """What it can be called by, beside its name: the lock and the sources as they are written."""
        plain = {source.as_posix() for source in self.sources} - {tables.path.as_posix() for tables in self.tables}
        return {self.lock.as_posix(), *plain, *map(str, self.tables)}


# What Lockhouse itself is installed from: no layer of the project, though it is locked like one.
TOOL = Layer(
    "lockhouse", PurePosixPath("requirements", "lockhouse.txt"), (PurePosixPath("requirements", "lockhouse.in"),)
)


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """The folder of a local project, relative to the project's root, and the extras that are wanted of it."""

    path: PurePosixPath
    extras: frozenset[NormalizedName]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A project: its root and what its configuration says, defaults filled in.

    `environments` is None where the configuration names none: then the layers' own `-c` and `-r` decide. `python` is the
    series that the locks are for (`3.11`), or None.
    """

    root: Path
    layers: Mapping[str, Layer]
    environments: Mapping[str, tuple[str, ...]] | None
    wheelhouse: Path
    venv: Path
    python: str | None
    find_links: tuple[str, ...]
    connections: int
    index_for: tuple[tuple[str, str], ...]
    cooldown_days: int | None
    no_binary: frozenset[NormalizedName]
    build_isolation: str
    accept: tuple[Acceptance, ...]
    engine: str
    local: tuple[LocalFolder, ...] = ()
    editable: bool = True

    def layer(self, word: str) -> Layer:
        """Return the layer that a word of the command line means: its name, or a path of its lock or a source.

        Raises UsageError, naming the nearest layer.
        """
        if word in self.layers:
            return self.layers[word]
        path = PurePath(word).as_posix()
        for layer in self.layers.values():
            if path in layer.words:
                return layer
        raise UsageError(f"there is no layer {word!r}", hint=nearest(word, self.layers, "the layers are"))


def load(root: Path) -> Config:
    """Read the configuration of the project in `root`; raises ConfigError, with the file and the key at fault."""
    path = root / "pyproject.toml"
    reader = _Reader(PurePosixPath("pyproject.toml"))
    table = reader.tool_table(path)
    for key in table:
        if key not in KEYS:
            raise reader.error(f"unknown key {key!r}", hint=nearest(key, KEYS, "the keys are"))
    layers = _layers(reader, table, root)
    environments = _environments(reader, table, layers)
    wheelhouse = root / reader.text(table, "wheelhouse", "wheelhouse")
    if wheelhouse.resolve() in {root.resolve(), *root.resolve().parents}:
        raise reader.error("'wheelhouse' must be a directory of its own, below the project or elsewhere")
    return Config(
        root=root,
        layers=layers,
        environments=environments,
        wheelhouse=wheelhouse,
        venv=root / reader.text(table, "venv", ".venv"),
        python=_python(reader, table),
        find_links=reader.texts(table, "find-links"),
        connections=reader.count(table, "connections", CONNECTIONS),
        index_for=_index_for(reader, table),
        cooldown_days=reader.count(table, "cooldown-days", 1) if "cooldown-days" in table else None,
        no_binary=frozenset(canonicalize_name(name) for name in reader.texts(table, "no-binary")),
        build_isolation=reader.choice(table, "build-isolation", ("best", "strict")),
        accept=_accept(table, path),
        local=_local(reader, table),
        editable=reader.flag(table, "editable", default=True),
        engine=reader.choice(table, "engine", ("auto", "pip", "uv")),
    )


def _accept(table: Mapping[str, object], path: Path) -> tuple[Acceptance, ...]:
    if "accept" not in table:
        return ()
    return accept.parse(table["accept"], path.read_text(encoding="utf-8"), PurePosixPath(path.name))


def _python(reader: "_Reader", table: Mapping[str, object]) -> str | None:
    if "python" not in table:
        return None
    value = table["python"]
    if isinstance(value, str) and not _is_series(value):
        raise reader.error(f"'python' should be a series of Python 3, as 3.11 is, not {value!r}")
    if not isinstance(value, str):
        # Without quotes, 3.10 and 3.1 are the same number.
        raise reader.error(f"'python' should be a string, not {value!r}", hint='write it in quotes: `python = "3.11"`')
    return value


def _is_series(text: str) -> bool:
    try:
        version = Version(text)
    except InvalidVersion:
        return False
    return version.major == 3 and len(version.release) == 2 and text == f"{version.major}.{version.minor}"


def _local(reader: "_Reader", table: Mapping[str, object]) -> tuple[LocalFolder, ...]:
    found: dict[PurePosixPath, LocalFolder] = {}
    for text in reader.texts(table, "local"):
        folder, extras = text, ""
        if text.endswith("]"):
            folder, _, extras = text.removesuffix("]").rpartition("[")
        path = PurePosixPath(folder.strip())
        try:
            names = frozenset(map(canonicalize_name, Requirement(f"local[{extras}]").extras))
        except InvalidRequirement:
            names = frozenset()
        if not folder.strip() or "\0" in folder or path.is_absolute() or (bool(extras) != bool(names)):
            hint = "write the folder relative to the project's root, extras behind it: `../common[fast]`"
            raise reader.error(f"'local' names no folder by {text!r}", hint=hint)
        if path in found:
            raise reader.error(f"'local' names the folder {path.as_posix()!r} twice")
        found[path] = LocalFolder(path, names)
    return tuple(found.values())


def _index_for(reader: "_Reader", table: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    bindings = reader.table(table, "index-for")
    pairs = []
    for pattern in bindings:
        url = reader.text(bindings, pattern, "")
        if not url.startswith(("https://", "http://", "file://")):
            raise reader.error(f"'index-for' should name the URL of an index for {pattern!r}, not {redact(url)!r}")
        if "@" in urlsplit(url).netloc:
            raise reader.error(
                f"'index-for' holds a credential for {pattern!r}", hint="put it into ~/.netrc or into keyring"
            )
        pairs.append((canonicalize_name(pattern), url))
    return tuple(pairs)


def sources_in(root: Path) -> list[PurePosixPath]:
    """Return the sources of the usual layout: `requirements/*.in`, less what editors and file systems leave beside them."""
    found = (root / "requirements").glob("*.in")
    hidden = TOOL.sources[0].name
    names = sorted(
        path.name for path in found if path.is_file() and not path.name.startswith(".") and path.name != hidden
    )
    return [PurePosixPath("requirements", name) for name in names]


def _layers(reader: "_Reader", table: Mapping[str, object], root: Path) -> dict[str, Layer]:
    if "layers" in table:
        entries = {name: reader.table({name: value}, name) for name, value in reader.table(table, "layers").items()}
        layers = {name: _layer(reader, name, entry) for name, entry in entries.items()}
        for name, entry in entries.items():
            bases = [_base(reader, name, word, layers) for word in reader.texts(entry, "constraints")]
            layers[name] = replace(layers[name], constraints=tuple(bases))
    else:
        paths = sources_in(root)
        layers = {path.stem: Layer(path.stem, path.with_suffix(".txt"), (path,)) for path in paths}
    _refuse_overlaps(reader, layers)
    if not layers:
        raise ConfigError(
            "there is nothing to lock: no requirements/*.in, and no 'layers' in [tool.lockhouse]",
            where=Location(PurePosixPath("requirements")),
            hint="write what the project needs into requirements/main.in, then run `make lock`",
        )
    return layers


def _layer(reader: "_Reader", name: str, entry: Mapping[str, object]) -> Layer:
    for key in entry:
        if key not in _OF_A_LAYER:
            hint = nearest(key, _OF_A_LAYER, "the keys are")
            raise reader.error(f"unknown key {key!r} in 'layers.{name}'", hint=hint)
    lock = PurePosixPath(reader.text(entry, "lock", f"requirements/{name}.txt"))
    sources = reader.texts(entry, "sources") if "sources" in entry else (lock.with_suffix(".in").as_posix(),)
    tables = {}
    for source in sources:
        try:
            tables[source] = Tables.parse(source)
        except ValueError as error:
            raise reader.error(f"the source {source!r} of the layer {name!r}: {error}") from error
    paths = dict.fromkeys(found.path if found else PurePosixPath(source) for source, found in tables.items())
    return Layer(name, lock, tuple(paths), tuple(found for found in tables.values() if found))


def _base(reader: "_Reader", name: str, word: str, layers: Mapping[str, Layer]) -> PurePosixPath:
    if word not in layers:
        hint = nearest(word, layers, "the layers are")
        raise reader.error(f"'constraints' of {name!r} names the layer {word!r}, which is not there", hint=hint)
    if not layers[name].sources:
        raise reader.error(f"the layer {name!r} has constraints, but no sources that they could limit")
    return layers[word].lock


def _refuse_overlaps(reader: "_Reader", layers: Mapping[str, Layer]) -> None:
    owners: dict[PurePosixPath, str] = {}
    for layer in layers.values():
        if layer.lock in owners:
            raise reader.error(f"the layers {owners[layer.lock]!r} and {layer.name!r} have the same lock {layer.lock}")
        owners[layer.lock] = layer.name
    for layer in layers.values():
        for source in layer.sources:
            if source in owners:
                raise reader.error(
                    f"{source} is a source of the layer {layer.name!r} and the lock of {owners[source]!r}",
                    hint="to build on a lock, write `-c` or `-r` into a source",
                )


def _environments(
    reader: "_Reader", table: Mapping[str, object], layers: Mapping[str, Layer]
) -> dict[str, tuple[str, ...]] | None:
    if "environments" not in table:
        return None
    environments = {}
    entries = reader.table(table, "environments")
    for name in entries:
        members = reader.texts(entries, name)
        if not members:
            raise reader.error(f"'environments.{name}' has no layers")
        for member in members:
            if member not in layers:
                hint = nearest(member, layers, "the layers are")
                raise reader.error(f"'environments.{name}' names the layer {member!r}, which is not there", hint=hint)
        environments[name] = members
    for layer in layers:
        if not any(layer in members for members in environments.values()):
            environments.setdefault(layer, (layer,))
    return environments


@dataclass(frozen=True, slots=True)
class _Reader:
    """Typed access to a TOML table, with errors that name file and key."""

    path: PurePosixPath

    def error(self, reason: str, *, hint: str | None = None) -> ConfigError:
        return ConfigError(f"[tool.lockhouse]: {reason}", where=Location(self.path), hint=hint)

    def tool_table(self, path: Path) -> Mapping[str, object]:
        try:
            document = tomli.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"not valid TOML: {error}", where=Location(self.path)) from error
        return self.table(self.table(document, "tool"), "lockhouse")

    def table(self, table: Mapping[str, object], key: str) -> Mapping[str, object]:
        value = table.get(key, {})
        if not isinstance(value, dict):
            raise self.wrong(key, value, "a table")
        return value

    def text(self, table: Mapping[str, object], key: str, default: str) -> str:
        value = table.get(key, default)
        if not isinstance(value, str) or not value or "\0" in value:
            raise self.wrong(key, value, "a string")
        return value

    def texts(self, table: Mapping[str, object], key: str) -> tuple[str, ...]:
        value = table.get(key, [])
        if (
            not isinstance(value, Sequence)
            or isinstance(value, str)
            or not all(isinstance(item, str) for item in value)
        ):
            raise self.wrong(key, value, "an array of strings")
        return tuple(value)

    def count(self, table: Mapping[str, object], key: str, default: int) -> int:
        value = table.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise self.wrong(key, value, "a whole number above 0")
        return value

    def flag(self, table: Mapping[str, object], key: str, *, default: bool) -> bool:
        value = table.get(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, value, "true or false")
        return value

    def choice(self, table: Mapping[str, object], key: str, words: Sequence[str]) -> str:
        value = self.text(table, key, words[0])
        if value not in words:
            raise self.wrong(key, value, " or ".join(map(repr, words)))
        return value

    def wrong(self, key: str, value: object, expected: str) -> ConfigError:
        return self.error(f"{key!r} should be {expected}, not {value!r}")
