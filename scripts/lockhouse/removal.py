"""Take projects out of an environment: their files, the byte code of these, and the folders that are empty then.

Nothing outside the environment is ever touched: a path that leads out is not followed, and neither is a link.
"""

import contextlib
import shutil
from collections.abc import Iterable, Set
from pathlib import Path, PurePosixPath

from lockhouse.environment import Environment, Installed, Wanted, recorded
from lockhouse.errors import LockhouseError
from lockhouse.layout import BYTE_CODE, InPrefix


def doomed(environment: Environment, projects: Iterable[Installed], wheels: Iterable[Wanted]) -> frozenset[InPrefix]:
    """Return the files to remove: those that the projects' own RECORDs list, and where the files of the wheels will be.

    Raises LockhouseError where nobody can know which files a project has.
    """
    paths = {file.path for wheel in wheels for file in wheel.files}
    known = {wheel.wheel.name: wheel.wheel.version for wheel in wheels}
    for project in projects:
        listed = recorded(environment, project)
        # Without a RECORD, the wheel of the same version knows the files as well.
        if listed is None and (project.version is None or known.get(project.name) != project.version):
            raise LockhouseError(
                f"{project.label} cannot be removed from {environment.prefix.name}: {_why(project)}",
                hint=f"remove {environment.prefix}, which is made anew then; or keep it: `--keep-extra`",
            )
        paths.update(listed or ())
    return frozenset(paths)


def _why(project: Installed) -> str:
    return "; ".join(project.faults) or "its RECORD cannot be read"


def remove(environment: Environment, paths: Set[InPrefix], infos: Iterable[InPrefix]) -> None:
    """Remove the files and the whole metadata folders (`infos`); what is not there is none the worse.

    Killed halfway, the rest is still there; raises OSError.
    """
    prefix, layout = environment.prefix, environment.layout
    parents: set[PurePosixPath] = set()
    for path in sorted(paths):
        _remove_file(prefix, PurePosixPath(path))
        parents.add(PurePosixPath(path).parent)
    for info in infos:
        place = prefix / info
        if place.is_symlink() or not place.is_dir():
            place.unlink(missing_ok=True)
        else:
            shutil.rmtree(place)
        parents.add(PurePosixPath(info).parent)
    stems = {str(PurePosixPath(path).with_suffix("")) for path in paths if path.endswith(".py")}
    standing = {PurePosixPath(folder) for folder in (layout.packages, layout.scripts, ".")}
    for folder in sorted(parents, reverse=True):
        if _is_real(prefix, folder):
            _remove_byte_code(prefix, folder, stems)
            _remove_empty(prefix, folder, standing)


def _remove_file(prefix: Path, path: PurePosixPath) -> None:
    place = prefix
    for part in path.parts[:-1]:
        place /= part
        # venv itself makes one link to a folder.
        if place.is_symlink() and place != prefix / "lib64":
            place.unlink()
            return
    place = prefix / path
    if place.is_symlink() or not place.is_dir():
        with contextlib.suppress(NotADirectoryError):
            place.unlink(missing_ok=True)


def _is_real(prefix: Path, folder: PurePosixPath) -> bool:
    return (prefix / folder).resolve() == prefix.resolve() / folder


def _remove_byte_code(prefix: Path, folder: PurePosixPath, stems: Set[str]) -> None:
    cache = prefix / folder / BYTE_CODE
    if cache.is_symlink() or not cache.is_dir():
        return
    for file in cache.iterdir():
        if file.name.endswith(".pyc") and str(folder / file.name.partition(".")[0]) in stems:
            file.unlink()
    with contextlib.suppress(OSError):
        cache.rmdir()


def _remove_empty(prefix: Path, folder: PurePosixPath, standing: Set[PurePosixPath]) -> None:
    for each in (folder, *folder.parents):
        if each in standing:
            return
        try:
            (prefix / each).rmdir()
        except OSError:
            return
