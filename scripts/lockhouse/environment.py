"""What is in a virtual environment, and how that differs from what wheels mean it to be; nothing is changed here.

Neither the RECORD of an environment nor what an installer says is believed: every file is compared with the wheel.
"""

import contextlib
import csv
import json
import os
import stat
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path

from packaging.utils import InvalidName, NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from lockhouse import hashing
from lockhouse.digest import Digest
from lockhouse.errors import TargetError, WheelError
from lockhouse.filenames import WheelName
from lockhouse.layout import BYTE_CODE, InPrefix, LandedFile, Layout, inside, landed, script_text, stated
from lockhouse.metadata import headers_of
from lockhouse.redact import redact
from lockhouse.target import STATE, interpreter_of
from lockhouse.wheelhouse import StoredWheel, Wheelhouse

# Kept where no lock asks for them: Python's own venv puts them there.
TOLERATED = frozenset({canonicalize_name("pip"), canonicalize_name("setuptools")})
# What virtualenv and setuptools leave beside the projects.
_HARMLESS = frozenset({"_virtualenv.py", "_virtualenv.pth", "distutils-precedence.pth", "_distutils_hack"})
_KINDS = (".dist-info", ".egg-info", ".egg-link")
# Stands for the size of what is no regular file: a link, or something stranger.
_NO_FILE = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A project in an environment: its metadata's path, and what is wrong with that (`faults`), if anything.

    `version` is None where it cannot be read; `origin` is the URL or path that it was installed from directly.
    """

    name: NormalizedName
    version: Version | None
    info: InPrefix
    faults: tuple[str, ...] = ()
    origin: str = ""
    editable: bool = False

    @property
    def label(self) -> str:
        """The project as people write it."""
        return f"{self.name} {self.version or '(unknown version)'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """An environment as it is: the sizes of all files by path (byte code left out), and the projects, sorted by name."""

    prefix: Path
    layout: Layout
    sizes: Mapping[InPrefix, int]
    installed: tuple[Installed, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A wheel that an environment should hold: where the archive is, and the files it lands."""

    wheel: WheelName
    archive: Path
    files: tuple[LandedFile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What makes an environment another than its wheels mean, sorted by name.

    `missing`: not installed; `differing`: installed, but another version or other files, with the reasons; `extra`:
    installed, and nobody asks for it; `strays`: files that no project owns. `kept` are the extra ones that may stay.
    """

    missing: tuple[NormalizedName, ...]
    differing: Mapping[NormalizedName, tuple[str, ...]]
    extra: tuple[Installed, ...]
    kept: tuple[Installed, ...]
    strays: tuple[InPrefix, ...]


def wanted(stored: StoredWheel, house: Wheelhouse, layout: Layout) -> Wanted:
    """Return what a wheel of the wheelhouse means to be in an environment of this layout; raises WheelError."""
    archive = house.place_of(stored)
    return Wanted(stored.wheel, archive, landed(archive, stored.wheel, layout))


def series_of(prefix: Path) -> str | None:
    """Return the series of an environment's Python (`3.11`) as its `pyvenv.cfg` says, or None where that says nothing."""
    try:
        lines = (prefix / "pyvenv.cfg").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        key, _, value = line.partition("=")
        # venv writes `version`, virtualenv and uv write `version_info`.
        if key.strip().lower() in {"version", "version_info"}:
            return ".".join(value.strip().split(".")[:2])
    return None


def read(prefix: Path, series: str) -> Environment:
    """Read the environment; raises TargetError where it is one of another Python than that of the `series`."""
    if (found := series_of(prefix)) and found != series:
        raise TargetError(
            f"the environment {prefix.name} is one of Python {found}, and the target is Python {series}",
            hint=f"remove {prefix}, or name another one: `--env DIR`",
        )
    layout = Layout.of(prefix, series)
    return Environment(prefix=prefix, layout=layout, sizes=_sizes(prefix), installed=tuple(_installed(prefix, layout)))


def compare(environment: Environment, wanted: Mapping[NormalizedName, Wanted], *, deep: bool = False) -> Difference:
    """Compare every file with the wheels, by presence and size, and with `deep` by digest as well."""
    missing, differing = wrong(environment, wanted)
    if deep:
        whole = [wheel for name, wheel in wanted.items() if name not in differing and name not in missing]
        differing |= _deep_faults(environment, whole)
    others = [project for project in environment.installed if project.name not in wanted]
    return Difference(
        missing=missing,
        differing=dict(sorted(differing.items())),
        extra=tuple(project for project in others if project.name not in TOLERATED),
        kept=tuple(project for project in others if project.name in TOLERATED),
        strays=tuple(_strays(environment, wanted, others, deep=deep)),
    )


def wrong(
    environment: Environment, wanted: Mapping[NormalizedName, Wanted]
) -> tuple[tuple[NormalizedName, ...], dict[NormalizedName, tuple[str, ...]]]:
    """Return what is missing, and what differs, with the reasons, both sorted; what is there besides is not looked at."""
    by_name: dict[NormalizedName, list[Installed]] = {}
    for project in environment.installed:
        by_name.setdefault(project.name, []).append(project)
    differing: dict[NormalizedName, tuple[str, ...]] = {}
    for name, wheel in sorted(wanted.items()):
        if name in by_name:
            reasons = (*_metadata_faults(by_name[name], wheel), *_file_faults(environment, wheel))
            if reasons:
                differing[name] = reasons
    return tuple(sorted(name for name in wanted if name not in by_name)), differing


def recorded(environment: Environment, project: Installed) -> tuple[InPrefix, ...] | None:
    """Return the files that the environment's own RECORD lists for a project, or None where there is no readable one.

    What leads out of the environment, or to what makes it one, is left out: nobody follows it.
    """
    record = environment.prefix / project.info / "RECORD"
    if not project.info.endswith(".dist-info") or _size(environment, project.info, "RECORD") is None:
        return None
    try:
        with record.open(encoding="utf-8", newline="") as file:
            rows = [row[0] for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error):
        return None
    prefix = f"{environment.prefix.resolve().as_posix()}/"
    paths = [inside(row.removeprefix(prefix) if row.startswith(prefix) else f"{environment.layout.packages}/{row}"
                    if not row.startswith("/") else row) for row in rows]  # fmt: skip
    return tuple(path for path in paths if path and not environment.layout.protects(path))


def _sizes(prefix: Path) -> dict[InPrefix, int]:
    found: dict[InPrefix, int] = {}
    todo = [(str(prefix), "")]
    while todo:
        folder, below = todo.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    path = f"{below}{entry.name}"
                    if entry.is_dir(follow_symlinks=False):
                        if entry.name != BYTE_CODE and path != STATE:
                            todo.append((entry.path, f"{path}/"))
                    else:
                        status = entry.stat(follow_symlinks=False)
                        found[InPrefix(path)] = status.st_size if stat.S_ISREG(status.st_mode) else _NO_FILE
        except PermissionError as error:
            raise TargetError(f"{folder} cannot be read: {error.strerror}") from error
    return found


def _installed(prefix: Path, layout: Layout) -> Iterator[Installed]:
    packages = prefix / layout.packages
    names = [entry.name for entry in packages.iterdir()] if packages.is_dir() else []
    found = [
        _project(packages / name, InPrefix(f"{layout.packages}/{name}"))
        for name in names
        # What pip has not come to remove any more begins with a tilde; it is a stray.
        if name.endswith(_KINDS) and not name.startswith("~")
    ]
    yield from sorted(found, key=lambda project: (project.name, project.info))


def _project(path: Path, info: InPrefix) -> Installed:
    stem, _, kind = path.name.rpartition(".")
    faults = []
    metadata = "" if kind == "egg-link" else _text(path / ("METADATA" if kind == "dist-info" else "PKG-INFO"))
    fields = HeaderParser().parsestr(_headers(metadata))
    try:
        name = canonicalize_name(fields.get("Name", ""), validate=True)
    except InvalidName:
        name = canonicalize_name(stem.partition("-")[0])
        faults.append(f"{path.name} does not name its project")
    version = _version(fields.get("Version", ""))
    if version is None and kind != "egg-link":
        # The folder's name says it as well, so that the files are known by the wheel.
        version = _version(stem.rpartition("-")[2])
        faults.append(f"{path.name} does not say its version")
    if kind != "dist-info":
        faults.append(f"installed as .{kind}, without a RECORD")
        return Installed(name=name, version=version, info=info, faults=tuple(faults), editable=kind == "egg-link")
    if not (path / "RECORD").is_file():
        faults.append(f"{path.name} has no RECORD")
    direct = _direct_url(path)
    editable = isinstance(direct.get("dir_info"), dict) and bool(direct["dir_info"].get("editable"))
    origin = redact(str(direct.get("url", "somewhere"))) if direct else ""
    return Installed(name=name, version=version, info=info, faults=tuple(faults), origin=origin, editable=editable)


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _headers(text: str) -> str:
    """Return the headers alone, for a description is long; nothing where they are too long to be honest."""
    with contextlib.suppress(WheelError):
        return headers_of(text)
    return ""


def _direct_url(info: Path) -> dict[str, dict[str, object]]:
    text = _text(info / "direct_url.json")
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {"url": {}}
    return found if isinstance(found, dict) else {"url": {}}


def _metadata_faults(projects: list[Installed], wanted: Wanted) -> Iterator[str]:
    if len(projects) > 1:
        yield f"it is there {len(projects)} times: {', '.join(project.info.rpartition('/')[2] for project in projects)}"
    brought = any(file.member.endswith(".dist-info/direct_url.json") for file in wanted.files)
    for project in projects:
        if project.version != wanted.wheel.version:
            yield f"{project.label} is installed, {wanted.wheel.version} is locked"
        yield from project.faults
        if project.origin and not brought:
            how = "as editable, " if project.editable else ""
            yield f"it was installed {how}from {project.origin}"


def _file_faults(environment: Environment, wanted: Wanted) -> Iterator[str]:
    for file in wanted.files:
        size = environment.sizes.get(file.path)
        if size is None:
            yield f"{file.path} is missing"
        elif size == _NO_FILE:
            yield f"{file.path} is a link, not a file"
        elif file.kind == "plain" and size != file.size:
            yield f"{file.path} has {size} bytes, not {file.size}"


def _deep_faults(environment: Environment, wanted: list[Wanted]) -> dict[NormalizedName, tuple[str, ...]]:
    def judged(wheel: Wanted) -> tuple[str, ...]:
        with zipfile.ZipFile(wheel.archive) as archive:
            digests = stated(archive)
            return tuple(
                f"{file.path} holds other bytes"
                for file in wheel.files
                if file.kind != "wrapper" and not _is_same(environment, archive, file, digests.get(file.member))
            )

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        results = pool.map(judged, wanted)
        return {wheel.wheel.name: reasons for wheel, reasons in zip(wanted, results, strict=True) if reasons}


def _is_same(environment: Environment, archive: zipfile.ZipFile, file: LandedFile, digest: Digest | None) -> bool:
    path = environment.prefix / file.path
    if file.kind == "script":
        return path.read_bytes() == script_text(archive.read(file.member), interpreter_of(environment.prefix))
    if digest is None:
        return path.read_bytes() == archive.read(file.member)
    return hashing.digests(path, (digest.algorithm,)) == (digest,)


def _size(environment: Environment, folder: InPrefix, name: str) -> int | None:
    return environment.sizes.get(InPrefix(f"{folder}/{name}"))


def _strays(
    environment: Environment, wanted: Mapping[NormalizedName, Wanted], others: list[Installed], *, deep: bool
) -> Iterator[InPrefix]:
    """Yield what no project owns, as far up as nobody owns anything; within projects' own folders only if `deep`."""
    owned = {file.path for wheel in wanted.values() for file in wheel.files}
    for project in others:
        owned.update(recorded(environment, project) or ())
    folders: set[str] = set()
    for path in owned:
        folder = path.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    infos = {project.info for project in environment.installed}
    packages = f"{environment.layout.packages}/"
    seen = set()
    for path in environment.sizes:
        if path in owned or not path.startswith(packages):
            continue
        top = next(
            (InPrefix(path[:place]) for place in _slashes(path, len(packages)) if path[:place] not in folders), path
        )
        name = top[len(packages) :]
        if top in infos or name.partition("/")[0] in _HARMLESS or path[: path.rfind("/")] in infos:
            continue
        if (deep or "/" not in name) and not name.endswith(".pyc"):
            seen.add(top)
    yield from sorted(seen)


def _slashes(path: str, start: int = 0) -> Iterator[int]:
    while (start := path.find("/", start)) != -1:
        yield start
        start += 1
