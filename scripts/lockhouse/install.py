"""The step `install`: put checked wheels into the environment, without an index and without a network.

The installer never sees the wheelhouse: it gets a page with one hashed `file://` link a pin, a requirements file with
one hash a pin, and no configuration at all.
"""

import html
import importlib.util
import os
import tempfile
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from email.parser import HeaderParser
from importlib import metadata
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from lockhouse import process
from lockhouse.errors import LockhouseError, ProcessError, TargetError
from lockhouse.plan import Need
from lockhouse.target import Target, interpreter_of, is_made
from lockhouse.wheelhouse import StoredWheel, Wheelhouse


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an install did, by name: `added` were not there, `changed` had another version."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    total: int


def install(
    chosen: Sequence[tuple[Need, StoredWheel]],
    *,
    house: Wheelhouse,
    venv: Path,
    target: Target,
    environ: Mapping[str, str],
    again: Set[NormalizedName] = frozenset(),
) -> Outcome:
    """Install exactly these wheels into the environment, which is made if it is missing.

    Projects in `again` are installed even where their version is there already. The wheels must have been checked; the installer compares every hash once more. Raises ProcessError where the
    installer refuses, LockhouseError where something is missing after it said it was done.
    """
    scrubbed = _scrubbed(environ)
    if not is_made(venv):
        _make(venv, target, scrubbed)
    before = installed(venv, target.series)
    wanted = {need.name: stored for need, stored in chosen}
    todo = [stored for name, stored in wanted.items() if before.get(name) != stored.wheel.version or name in again]
    if todo:
        with tempfile.TemporaryDirectory(prefix="lockhouse-") as scratch:
            _run_pip(todo, house, interpreter_of(venv), Path(scratch), scrubbed)
        after = installed(venv, target.series)
        missing = sorted(name for name, stored in wanted.items() if after.get(name) != stored.wheel.version)
        if missing:
            raise LockhouseError(f"the installer left out: {', '.join(missing)}", hint=f"remove {venv.name} and retry")
    names = {stored.wheel.name for stored in todo}
    return Outcome(
        added=tuple(sorted(names - set(before))), changed=tuple(sorted(names & set(before))), total=len(wanted)
    )


def installed(venv: Path, series: str) -> dict[NormalizedName, Version | None]:
    """Return the projects in an environment and their versions, from their `.dist-info` (None: unreadable, or half).

    `series` is that of the environment's Python: what another one has left behind is not there for this one.
    """
    folders = [*venv.glob(f"lib/python{series}/site-packages"), *venv.glob(f"lib/python{series}t/site-packages")]
    folders += venv.glob("Lib/site-packages")
    found: dict[NormalizedName, Version | None] = {}
    for distribution in metadata.distributions(path=[str(folder) for folder in folders]):
        metadata_text = distribution.read_text("METADATA")
        if metadata_text is None:
            continue
        fields = HeaderParser().parsestr(metadata_text)
        name = fields.get("Name", "")
        try:
            version = Version(fields.get("Version", ""))
        except InvalidVersion:
            version = None
        # Installers write INSTALLER last but for RECORD: without it, one was killed halfway.
        whole = distribution.read_text("INSTALLER") is not None
        found[canonicalize_name(name)] = version if whole else None
    return found


def _scrubbed(environ: Mapping[str, str]) -> dict[str, str]:
    # Nothing that a user or a machine configures for pip, uv or Python may take part in an install.
    return process.without(environ, "PIP_", "UV_", "PYTHON", "VIRTUAL_ENV") | {"PIP_CONFIG_FILE": os.devnull}


def _make(venv: Path, target: Target, environ: Mapping[str, str]) -> None:
    venv.parent.mkdir(parents=True, exist_ok=True)
    try:
        process.run([target.interpreter, "-I", "-m", "venv", "--without-pip", venv], cwd=venv.parent, environ=environ)
    except ProcessError as error:
        raise TargetError(
            f"cannot make the environment {venv.name}: {_tail(error)}",
            hint="on Debian and Ubuntu, venv is a package of its own: apt-get install python3-venv",
        ) from error


def _run_pip(
    wheels: Sequence[StoredWheel], house: Wheelhouse, python: Path, scratch: Path, environ: Mapping[str, str]
) -> None:
    page, derived, empty = scratch / "links.html", scratch / "requirements.txt", scratch / "empty"
    empty.mkdir()
    page.write_text(links_page(wheels, house), encoding="utf-8")
    derived.write_text(derived_requirements(wheels), encoding="utf-8")
    arguments = (
        *("--no-index", "--find-links", page.as_uri(), "--require-hashes", "--only-binary", ":all:", "--no-deps"),
        *("--no-input", "--no-cache-dir", "--disable-pip-version-check", "--root-user-action", "ignore"),
        # Only what is not as it should be comes here; without this, pip takes a half-installed project for a whole one.
        "--force-reinstall",
        *("--no-warn-script-location", "--requirement", derived),
    )
    try:
        process.run([python, "-I", _pip_runner(), "install", *arguments], cwd=empty, environ=environ)
    except ProcessError as error:
        raise ProcessError(
            f"pip refused to install: {_tail(error)}",
            argv=error.argv,
            returncode=error.returncode,
            stdout=error.stdout,
            stderr=error.stderr,
            hint="run `make check`, then `make wheelhouse`",
        ) from error


def _pip_runner() -> Path:
    # Found without importing pip: importing it takes as long as a whole check.
    spec = importlib.util.find_spec("pip")
    if spec is None or spec.origin is None:
        raise LockhouseError("there is no pip beside Lockhouse", hint="install Lockhouse with its dependencies")
    return Path(spec.origin).with_name("__pip-runner__.py")


def links_page(wheels: Sequence[StoredWheel], house: Wheelhouse) -> str:
    """Return an index page (PEP 503 anchors) with one link a wheel, whose fragment states its sha256."""
    anchors = [
        f'<a href="{html.escape((house.place_of(stored).resolve()).as_uri())}#sha256={stored.sha256.hex}">'
        f"{html.escape(stored.filename)}</a><br>"
        for stored in wheels
    ]
    return "\n".join(["<!DOCTYPE html>", "<html><body>", *anchors, "</body></html>", ""])


def derived_requirements(wheels: Sequence[StoredWheel]) -> str:
    """Return a requirements file with one exact pin and one hash a wheel, without extras or markers."""
    return "".join(f"{w.wheel.name}=={w.wheel.version} --hash=sha256:{w.sha256.hex}\n" for w in wheels)


def _tail(error: ProcessError) -> str:
    lines = [line for line in (error.stderr or error.stdout).splitlines() if line.strip()]
    return "\n".join(lines[-12:]) or f"exit status {error.returncode}"
