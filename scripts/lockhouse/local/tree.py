"""The files of a local project that count: all but what builds, tools and version control leave beside them.

A copy of them is what a wheel is built from, and their digest says whether it must be built again.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Set
from pathlib import Path

from lockhouse import hashing, process
from lockhouse.errors import ProcessError

_LEFT_BEHIND = frozenset({
    "__pycache__", "node_modules", ".git", ".hg", ".svn", ".tox", ".nox", ".eggs", ".hypothesis", ".mypy_cache",
    ".pytest_cache", ".ruff_cache", ".coverage", ".DS_Store", ".lockhouse",
})  # fmt: skip
_ENDINGS = (".egg-info", ".pyc", ".pyo")
# At the top, these are what builds leave, unless they are packages themselves.
_OUTPUTS = frozenset({"build", "dist"})


def sources(folder: Path, without: Set[Path] = frozenset()) -> Iterator[Path]:
    """Yield every file that counts, and every link, sorted; folders in `without` are left out. Raises OSError."""
    for at, folders, names in os.walk(folder):
        here = Path(at)
        kept = []
        for name in sorted(folders):
            path = here / name
            if path.is_symlink():
                yield path
            elif path not in without and _counts(path, top=here == folder):
                kept.append(name)
        folders[:] = kept
        yield from (here / name for name in sorted(names) if name not in _LEFT_BEHIND and not name.endswith(_ENDINGS))


def _counts(folder: Path, *, top: bool) -> bool:
    if folder.name in _LEFT_BEHIND or folder.name.endswith(_ENDINGS) or (folder / "pyvenv.cfg").is_file():
        return False
    return not (top and folder.name in _OUTPUTS and not (folder / "__init__.py").exists())


def digest(folder: Path, without: Set[Path] = frozenset()) -> str:
    """Return the sha256 over the names, modes and bytes of everything that counts. Raises OSError."""
    found = sorted(sources(folder, without))
    plain = [path for path in found if _is_plain(path, folder)]
    known = dict(zip(plain, hashing.digests_of_all(plain), strict=True))
    total = hashlib.sha256()
    for path in found:
        what = str(known[path][0]) if path in known else f"-> {path.readlink() if path.is_symlink() else '?'}"
        executable = path in known and os.access(path, os.X_OK)
        total.update(f"{path.relative_to(folder).as_posix()}\0{what}\0{executable}\n".encode())
    return total.hexdigest()


def _is_plain(path: Path, folder: Path) -> bool:
    """Return whether this is a file, or a link to one elsewhere: such a link would lead nowhere in a copy."""
    return path.is_file() and not (path.is_symlink() and _stays(path, folder))


def _stays(link: Path, folder: Path) -> bool:
    return not link.readlink().is_absolute() and link.resolve().is_relative_to(folder.resolve())


def copy(folder: Path, into: Path, without: Set[Path] = frozenset()) -> tuple[Path, Path | None]:
    """Copy everything that counts, and return the copy and the git folder that belongs to it, if there is one.

    The copy has a `.git` file in its place, so that versions can be told from tags; where the project lies below the
    top of its repository, the copy lies as deep in `into`. Raises OSError.
    """
    top, git = repository_of(folder)
    target = into / (folder.resolve().relative_to(top) if top else folder.resolve().name)
    if target == into:
        target = into = into / folder.resolve().name
    target.mkdir(parents=True)
    for path in sources(folder, without):
        place = target / path.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        if _is_plain(path, folder):
            shutil.copy2(path, place)
        elif path.is_symlink():
            place.symlink_to(path.readlink() if _stays(path, folder) else path.resolve())
    if git:
        (into / ".git").write_text(f"gitdir: {git}\n", encoding="utf-8")
    return target, git


def repository_of(folder: Path) -> tuple[Path | None, Path | None]:
    """Return the top of the git work tree that a folder is in, and its git folder; nothing where it is in none."""
    start = folder.resolve()
    for top in (start, *start.parents):
        place = top / ".git"
        if place.is_dir():
            return top, place
        if place.is_file():
            # A linked work tree or a submodule: its file says where the folder is.
            text = place.read_text(encoding="utf-8", errors="replace").partition("gitdir:")[2].strip()
            git = (top / text).resolve()
            return (top, git) if text and git.is_dir() else (None, None)
    return None, None


def revision(folder: Path, environ: Mapping[str, str]) -> str:
    """Return how git describes what is checked out, without what is changed; nothing where there is no git."""
    if repository_of(folder)[0] is None:
        return ""
    try:
        said = process.run(
            ["git", "describe", "--tags", "--always", "--long"], cwd=folder, environ=process.without(environ, "GIT_")
        )
    except ProcessError:
        return ""
    return said.stdout.strip()
