"""The step `diff`: say what moved between two states of the locks, the build locks and the record.

A state is the working tree, a git revision, or one lock in a file. It changes nothing and uses no network. Layers are those of
the working tree's configuration, whatever a revision's own says.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

from lockhouse import includes, record
from lockhouse.builds import FOLDER, RECORD
from lockhouse.comparison import LockChange, RecordChange, compare, compare_records, known, pins_of
from lockhouse.config import Config, Layer
from lockhouse.errors import UsageError
from lockhouse.includes import Loaded
from lockhouse.record import Record
from lockhouse.revisions import Repository, Tree, WorkingTree

_SOURCES = PurePosixPath("requirements")


@dataclass(frozen=True, slots=True)
class File:
    """One lock in a file, as `label` names it, relative to the folder."""

    folder: Path
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What moved between two states, by their labels; only locks in which something moved are there."""

    before: str
    after: str
    locks: tuple[LockChange, ...]
    record: tuple[RecordChange, ...]

    @property
    def moved(self) -> bool:
        """Whether anything moved."""
        return bool(self.locks or self.record)


def states(
    words: Sequence[str], *, cwd: Path, root: Path, environ: Mapping[str, str]
) -> tuple[Tree | File, Tree | File]:
    """Return what two words mean, or one against the working tree, or none: HEAD against the working tree.

    `A..B` is `A B`, and `A...B` what came with B since it left A; a side that is left out is HEAD, all as git has it. Raises
    UsageError for a word that is neither a file nor a revision, or both.
    """
    repository = Repository(root, environ)

    def meant(word: str) -> Tree | File:
        path = cwd / word
        if path.exists() and not path.is_dir():
            if repository.knows(word):
                raise UsageError(
                    f"{word!r} is a file and a revision",
                    hint=f"write ./{word} for the file, and refs/heads/{word} or {word}~0 for the revision",
                )
            return File(cwd, word)
        if word.startswith((".", "/")):
            raise UsageError(f"there is no file {word!r}")
        return repository.revision(word)

    match words:
        case []:
            return repository.revision("HEAD"), WorkingTree(root)
        case [word]:
            if ".." not in word or word.startswith(("./", "../", "/")) or (cwd / word).is_file():
                return meant(word), WorkingTree(root)
            old, _, new = word.partition("..")
            before, after = (repository.revision(side or "HEAD") for side in (old, new.removeprefix(".")))
            return (repository.common(before, after) if new.startswith(".") else before), after
        case [old, new]:
            return meant(old), meant(new)
        case _:
            raise UsageError("more than two states cannot be compared", hint="name layers by --layer NAME")


def diff(
    before: Tree | File,
    after: Tree | File,
    *,
    root: Path,
    configuration: Callable[[], Config],
    environ: Mapping[str, str],
    layers: Sequence[str] = (),
) -> Difference:
    """Compare two states; `layers` limits it to some, and leaves the record out.

    A file against a revision or the working tree is compared with the lock of one layer. The configuration is read only where a
    side is no file. Raises UsageError for layers that do not fit, RequirementsError and RecordError for a line that cannot be
    read, with its side.
    """
    if isinstance(before, File) and isinstance(after, File):
        if layers:
            raise UsageError("two files are compared as they are", hint="leave --layer out")
        chosen = [Layer(after.label, PurePosixPath(after.label), ())]
    elif isinstance(before, File) or isinstance(after, File):
        chosen = [_one_layer(configuration(), layers, before if isinstance(before, File) else after)]
    else:
        chosen = _layers(configuration(), before, after, layers)
    loaded = [(layer, _load(before, layer, root, environ), _load(after, layer, root, environ)) for layer in chosen]
    records: tuple[RecordChange, ...] = ()
    if not (layers or isinstance(before, File) or isinstance(after, File)):
        records = compare_records(_record(before), _record(after))
    elsewhere = known(pins_of(old) for _, old, _ in loaded)
    compared = (compare(old, new, layer=at.name, lock=at.lock, elsewhere=elsewhere) for at, old, new in loaded)
    return Difference(
        before=before.label,
        after=after.label,
        locks=tuple(change for change in compared if change.moved),
        record=records,
    )


def _one_layer(config: Config, words: Sequence[str], file: Tree | File) -> Layer:
    named = list(words or config.layers)
    if len(named) != 1:
        raise UsageError(
            f"{file.label} is one lock, and there are the layers {', '.join(named)}",
            hint="name the layer to compare it with by --layer NAME, or a second file",
        )
    return config.layer(named[0])


def _layers(config: Config, before: Tree, after: Tree, words: Sequence[str]) -> list[Layer]:
    """Return the layers to compare: those configured, those that are there no more, and the build locks of both sides."""
    found = dict(config.layers)
    here = WorkingTree(config.root).names(_SOURCES)
    for tree in (before, after):
        for name in sorted(tree.names(_SOURCES)):
            path = _SOURCES / name
            # A source that is still here, and no layer's, is left out by the configuration.
            if path.suffix == ".in" and not name.startswith(".") and name not in here:
                found.setdefault(path.stem, Layer(path.stem, path.with_suffix(".txt"), (path,)))
    for name in sorted(before.names(FOLDER) | after.names(FOLDER)):
        path = FOLDER / name
        if path.suffix == ".txt" and not name.startswith("."):
            found[f"build/{path.stem}"] = Layer(f"build/{path.stem}", path, ())
    if not words:
        return list(found.values())
    return [found[word] if word in found else config.layer(word) for word in dict.fromkeys(words)]


def _load(side: Tree | File, layer: Layer, root: Path, environ: Mapping[str, str]) -> Loaded | None:
    if isinstance(side, File):
        return includes.load(side.folder / side.label, root=side.folder, environ=environ)
    if not side.exists(layer.lock):
        return None

    def read(path: Path) -> bytes:
        return side.read_bytes(PurePath(os.path.relpath(path, root)))

    return includes.load(root / layer.lock, root=root, environ=environ, read_bytes=read, label=side.prefix)


def _record(tree: Tree) -> Record:
    if not tree.exists(RECORD):
        return Record()
    return record.parse_bytes(tree.read_bytes(RECORD), PurePosixPath(f"{tree.prefix}{RECORD}"))
