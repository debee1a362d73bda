"""The wheels of local projects, built where one that is kept does not do any more: from a copy, or editable, in place.

With nothing changed that decides what a build gives, nothing is built. Nothing of a local project is recorded, since its
bytes change with its source.
"""

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement

from lockhouse import building, construct, contents, hashing
from lockhouse.building import HookMissingError, Workshop
from lockhouse.construct import Yard
from lockhouse.errors import LockhouseError
from lockhouse.filenames import WheelName
from lockhouse.local import kept, tree
from lockhouse.local.declaration import LocalProject
from lockhouse.local.kept import LocalWheel
from lockhouse.local.locking import EPOCH, left_out
from lockhouse.project import Project
from lockhouse.wheelhouse import StoredWheel

# Raised when the same sources come to mean another wheel.
FORMAT = 1
# What an editable wheel is made from: the sources themselves stay where they are.
_DECIDING = ("pyproject.toml", "setup.cfg", "setup.py")


def local_wheels(current: Project, yard: Yard, venv: Path, scratch: Path, *, editable: bool) -> list[LocalWheel]:
    """Return a wheel of every local project, kept in the environment or built into the scratch folder; no network is used.

    Each must be named for its project, fit the target, and have METADATA that can be read. Raises LockhouseError.
    """
    return [_wheel(local, current, yard, venv, scratch, editable=editable) for local in current.local.values()]


def _wheel(
    local: LocalProject, current: Project, yard: Yard, venv: Path, scratch: Path, *, editable: bool
) -> LocalWheel:
    key = _key(local, current, yard, editable=editable)
    there = kept.find(venv, local.name, key)
    path = there or _build(local, current, yard, scratch, editable=editable)
    name, project = described(local, path, yard)
    stored = StoredWheel(wheel=name, size=path.stat().st_size, digests=hashing.digests(path), folder=path.parent)
    return LocalWheel(project=project, stored=stored, key=key, built=there is None)


def _key(local: LocalProject, current: Project, yard: Yard, *, editable: bool) -> str:
    """Return a digest of what decides the wheel: the sources, what it is built with and for, and how."""
    lock = current.builds.locks.get(local.name)
    said = [str(FORMAT), "editable" if editable else "wheel", str(lock and lock.digest), yard.target.name]
    said += [str(local.folder.resolve()), ",".join(sorted(local.extras))]
    if editable:
        said += [str(hashing.digests(path)[0]) if path.is_file() else "" for path in _deciding(local.folder)]
    else:
        said += [tree.digest(local.folder, left_out(yard))]
        # A new tag is another version, though no file has changed.
        said += [tree.revision(local.folder, yard.environ) if local.version is None else ""]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()


def _deciding(folder: Path) -> Iterator[Path]:
    return (folder / name for name in _DECIDING)


def _build(local: LocalProject, current: Project, yard: Yard, scratch: Path, *, editable: bool) -> Path:
    lock = current.builds.locks.get(local.name)
    if lock is None or lock.digest is None:
        raise LockhouseError(f"the local project {local.path} has no build lock", hint="run `make lock`")
    yard.say(f"building {local.name} from {local.path}{', editable' if editable else ''}")
    own = Path(tempfile.mkdtemp(dir=scratch, prefix=f"{local.name}-"))
    source, git = (local.folder, None) if editable else tree.copy(local.folder, own / "source", left_out(yard))
    workshop = Workshop(
        source=source,
        scratch=own,
        epoch=EPOCH,
        environment=construct.furnished(lock, current.builds, yard, own),
        environ=yard.environ,
        isolation=yard.config.build_isolation,
        visible=(git,) if git else (),
    )
    before = construct.committed(yard.config)
    try:
        built = building.build(workshop, editable=editable).wheel
    except HookMissingError as error:
        hint = "set `editable = false` in [tool.lockhouse], or give `--no-editable`" if editable else None
        raise LockhouseError(f"{local.name} ({local.path}): {error.reason}", hint=hint) from error
    except LockhouseError as error:
        raise construct.named(error, lock) from error
    finally:
        construct.keep_logs(workshop, local.name, yard)
    construct.refuse_changes(before, yard.config, local.path.as_posix())
    return built


def described(local: LocalProject, path: Path, yard: Yard) -> tuple[WheelName, LocalProject]:
    """Look into a wheel, and return its name and the project as it describes it.

    Raises LockhouseError where it is not one of the project, not sound, or does not fit the target.
    """
    name = WheelName.parse(path.name)
    what = f"the local project {local.path} builds to {name.filename}"
    if name.name != local.name:
        raise LockhouseError(f"{what}, which is not {local.name}", where=local.location)
    if yard.target.rank(name.tags) is None:
        raise LockhouseError(f"{what}, which does not fit {yard.target.name}", where=local.location)
    content = contents.read(path, name)
    if content.metadata is None or content.misnamed or content.broken:
        raise LockhouseError(f"{what}, which is not sound: {'; '.join((*content.misnamed, *content.broken))}")
    if not yard.target.accepts_python(content.metadata.requires_python):
        asked = content.metadata.requires_python
        raise LockhouseError(f"{what}, which requires Python {asked}, and the target has {yard.target.python}")
    try:
        return name, local.as_built(content.metadata, name.version)
    except InvalidRequirement as error:
        reason = str(error).partition("\n")[0]
        raise LockhouseError(f"{what}, whose Requires-Dist cannot be read: {reason}", where=local.location) from error
