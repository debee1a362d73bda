"""What `init` proposes for a project, as a value: files to make or to change, what to be told, and what to run next.

It decides, and writes nothing. What a user wrote is only ever added to; `force` replaces files that are ours as a whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from lockhouse import __version__, config, pyproject, target
from lockhouse.annotations import header
from lockhouse.errors import LockhouseError
from lockhouse.lines import logical_lines
from lockhouse.scaffold import change, ci, configuration, lists, makefile, sources
from lockhouse.scaffold.change import Change
from lockhouse.scaffold.sources import Found

_TOOL = (
    "# The version of Lockhouse that `make` runs, locked by hash in lockhouse.txt. To move it, write another one here and",
    "# run `make lock`. It is no layer of the project, and gets into none of its environments.",
    f"lockhouse=={__version__}",
)


@dataclass(slots=True, kw_only=True)
class Proposal:
    """Changes in the order in which they are to be shown and written, notes, and the commands to run next."""

    changes: list[Change] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    prefix: str = ""
    series: str = ""
    locked: bool = False

    @property
    def next_steps(self) -> tuple[str, ...]:
        """What to run next, each with what it does."""
        lock = (f"make {self.prefix}lock", "pins what the layers ask for; commit the locks with what init wrote")
        install = (f"make {self.prefix}install", "fills the wheelhouse, checks it, and makes the environment from it")
        steps = [install] if self.locked else [lock, install]
        width = max(len(command) for command, _ in steps)
        return tuple(f"{command:<{width}}  # {says}" for command, says in steps)


def propose(root: Path, *, provider: str | None, force: bool, environ: Mapping[str, str]) -> Proposal:
    """Return what the project in `root` lacks; `provider` names a CI system that it is to run on, or none.

    Raises LockhouseError for files that cannot be understood, OSError and UnicodeDecodeError for those that cannot be read.
    """
    made = Proposal()
    table = pyproject.table(configuration.document(root), "tool", "lockhouse", shown=configuration.PATH)
    found = Found() if "layers" in table else sources.find(root)
    made.changes += found.changes
    made.notes += found.notes
    wanted = _wanted(root, table, found, made, environ)
    made.series = str(wanted.get("python") or table.get("python") or target.running().series)
    _settled(made, configuration.propose, root, wanted)
    include, made.prefix = makefile.propose(root)
    if include or (root / makefile.INCLUDE).exists():
        # A Makefile that includes the one of an installed Lockhouse has chosen to run that.
        _whole(made, root, makefile.INCLUDE, ci.data("../lockhouse.mk"), force=force)
        _whole(made, root, config.TOOL.sources[0], change.appended("", _TOOL), force=force, tell=False)
    made.changes += [include] if include else []
    folders = [str(table.get("wheelhouse", "wheelhouse")), str(table.get("venv", ".venv")), ".lockhouse"]
    _settled(made, lists.ignored, root, [name.strip("/") for name in folders if not Path(name).is_absolute()])
    _settled(made, lists.hooked, root)
    if provider:
        for path, text, ours in ci.files(provider, made.prefix, made.series):
            _whole(made, root, path, text, force=force and ours, tell=ours)
    # What is new comes first: what changes in a user's own files stands nearest to the question.
    made.changes.sort(key=lambda each: each.before is not None)
    locks = [layer.get("lock", f"requirements/{name}.txt") for name, layer in found.layers.items()]
    made.locked = bool(locks) and all((root / lock).exists() for lock in locks)
    return made


def _settled(made: Proposal, ask: Any, *arguments: Any) -> None:
    """Add the change that a part proposes; where it cannot tell how to make it, that is a note."""
    try:
        proposed = ask(*arguments)
    except LockhouseError as error:
        made.notes.append(f"{error}; {error.hint}" if error.hint else str(error))
    else:
        made.changes += [proposed] if proposed else []


def _whole(made: Proposal, root: Path, path: PurePosixPath, text: str, *, force: bool, tell: bool = True) -> None:
    """Add a file that is ours as a whole; one that is there and differs is replaced by force only."""
    before = change.read(root, path)
    if before is None or (force and before != text):
        made.changes.append(Change(path=path, before=before, after=text))
    elif before != text and tell:
        made.notes.append(f"{path} is not the one that comes with Lockhouse {__version__}: `init --force` replaces it")


def _wanted(
    root: Path, table: Mapping[str, Any], found: Found, made: Proposal, environ: Mapping[str, str]
) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    if "python" not in table and (series := _series(root, found, environ)):
        wanted["python"] = series
        if series != target.running().series:
            made.notes.append(
                f"the project has Python {series}, and this is {target.running().series}: set LOCKHOUSE_PYTHON=python{series}"
            )
    elif "python" not in table:
        made.notes.append('which Python the project is for is not plain: write `python = "3.N"` into [tool.lockhouse]')
    if not found.plain:
        wanted["layers"] = found.layers
    names = list(found.layers)
    existing = config.sources_in(root) or any("lock" in layer and layer["sources"] for layer in found.layers.values())
    if len(names) > 1 and not (existing and "main" in names):
        wanted["environments"] = {"default": names}
    if found.local and "local" in config.KEYS:
        wanted["local"] = found.local
    elif found.local:
        made.notes.append(f"not locked, since a folder has no hash: {', '.join(found.local)}")
    return wanted


def _series(root: Path, found: Found, environ: Mapping[str, str]) -> str | None:
    """Return the Python that the project is for: its environment's, its locks', `.python-version`'s, else the running one.

    None where what pyproject.toml requires says that it is none of these.
    """
    candidates: list[str | None] = []
    if target.is_made(root / ".venv"):
        try:
            candidates.append(target.of_environment(root / ".venv", environ=environ).series)
        except LockhouseError:
            return None
    for name, layer in found.layers.items():
        text = change.read(root, PurePosixPath(layer.get("lock", f"requirements/{name}.txt")))
        candidates.append(header(logical_lines(text)[0]).python if text else None)
    named = (change.read(root, PurePosixPath(".python-version")) or "").strip().split(".")
    candidates += [".".join(named[:2]) if named[0] == "3" and len(named) > 1 else None, target.running().series]
    series = next(filter(None, candidates))
    requires = pyproject.table(configuration.document(root), "project", shown=configuration.PATH).get(
        "requires-python", ""
    )
    try:
        return series if SpecifierSet(str(requires)).contains(f"{series}.99") else None
    except InvalidSpecifier:
        return series
