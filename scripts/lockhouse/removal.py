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
    known: dict[str, bool] = {}
    parents: set[PurePosixPath] = set()
    for path in sorted(paths):
        folder = path.rpartition("/")[0]
        # Where a wheel was never installed, its thousands of files need no thousands of looks.
        if _stands(prefix, folder, known):
            _remove_file(prefix / path)
            parents.add(PurePosixPath(folder))
    for info in infos:
        place = prefix / info
        if place.is_symlink() or not place.is_dir():
            place.unlink(missing_ok=True)
        else:
            shutil.rmtree(place)
        parents.add(PurePosixPath(info).parent)
    stems = {path.removesuffix(".py") for path in paths if path.endswith(".py")}
    lasting = {PurePosixPath(folder) for folder in (layout.packages, layout.scripts, ".")}
    for each in sorted(parents, reverse=True):
        if _is_real(prefix, each):
            _remove_byte_code(prefix, each, stems)
            _remove_empty(prefix, each, lasting)


def _stands(prefix: Path, folder: str, known: dict[str, bool]) -> bool:
    """Return whether there is such a folder below the prefix; `known` are those that were looked at before."""
    # Not by recursion: a RECORD may name thousands of folders within each other.
    way = ""
    for part in folder.split("/") if folder else ():
        way = f"{way}/{part}" if way else part
        if way not in known:
            # venv itself makes one link to a folder.
            known[way] = _is_folder(prefix / way, may_be_link=way == "lib64")
        if not known[way]:
            return False
    return True


def _is_folder(place: Path, *, may_be_link: bool) -> bool:
    """Return whether there is a folder; a link in the place of one leads out, perhaps, and is removed."""
    if place.is_symlink() and not may_be_link:
        place.unlink()
    return place.is_dir()


def _remove_file(place: Path) -> None:
    if place.is_symlink() or not place.is_dir():
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


def _remove_empty(prefix: Path, folder: PurePosixPath, lasting: Set[PurePosixPath]) -> None:
    for each in (folder, *folder.parents):
        if each in lasting:
            return
        try:
            (prefix / each).rmdir()
        except OSError:
            return
