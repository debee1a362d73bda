"""What an installer is given, and how it is run: one hashed link a pin, one hash a pin, and nothing else.

Refuses wheels that change while it runs: pip reads each of them twice, once for its hash and once to unpack it.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lockhouse import process
from lockhouse.engines import Engine, said_last, scrubbed
from lockhouse.errors import LockhouseError, ProcessError
from lockhouse.target import interpreter_of
from lockhouse.wheelhouse import StoredWheel, Wheelhouse


def run(
    engine: Engine,
    wheels: Sequence[StoredWheel],
    *,
    house: Wheelhouse,
    venv: Path,
    scratch: Path,
    environ: Mapping[str, str],
    lock: int,
) -> None:
    """Let the engine install exactly these wheels; raises ProcessError where it refuses.

    It inherits the descriptor `lock`, so that nobody else begins while it goes on and its Lockhouse was killed.
    """
    page, derived, empty = scratch / "links.html", scratch / "requirements.txt", scratch / "empty"
    empty.mkdir()
    page.write_text(links_page(wheels, house), encoding="utf-8")
    derived.write_text(derived_requirements(wheels), encoding="utf-8")
    # uv leaves a lock of its own in the environment.
    leaving = venv / ".lock"
    foreign = not leaving.exists()
    command = engine.command(interpreter_of(venv), page, derived)
    try:
        process.run(command, cwd=empty, environ=scrubbed(environ), inherited=(lock,))
    except ProcessError as error:
        raise ProcessError(
            f"{engine.name} refused to install: {said_last(error)}",
            argv=error.argv,
            returncode=error.returncode,
            stdout=error.stdout,
            stderr=error.stderr,
            hint="run `make check`, then `make wheelhouse`",
        ) from error
    if foreign:
        leaving.unlink(missing_ok=True)


def links_page(wheels: Sequence[StoredWheel], house: Wheelhouse) -> str:
    """Return an index page (PEP 503 anchors) with one link a wheel, whose fragment states its sha256."""
    import html  # noqa: PLC0415 - slow to import, and only needed where something is installed

    anchors = [
        f'<a href="{html.escape(house.place_of(stored).resolve().as_uri())}#sha256={stored.sha256.hex}">'
        f"{html.escape(stored.filename)}</a><br>"
        for stored in wheels
    ]
    return "\n".join(["<!DOCTYPE html>", "<html><body>", *anchors, "</body></html>", ""])


def derived_requirements(wheels: Sequence[StoredWheel]) -> str:
    """Return a requirements file with one exact pin and one hash a wheel, without extras or markers."""
    return "".join(f"{w.wheel.name}=={w.wheel.version} --hash=sha256:{w.sha256.hex}\n" for w in wheels)


def stamps(house: Wheelhouse, wheels: Iterable[StoredWheel]) -> dict[Path, object]:
    """Return what changes whenever a wheel's bytes do, or another file takes its place; nobody can set a ctime."""
    paths = [house.place_of(stored) for stored in wheels]
    return {path: _stamp(path) for path in paths}


def refuse_changed(before: Mapping[Path, object], *, hint: str) -> None:
    """Refuse wheels that are not as they were when the stamps were taken; raises LockhouseError."""
    if moved := [path.name for path, stamp in before.items() if _stamp(path) != stamp]:
        raise LockhouseError(f"these wheels changed while they were installed: {', '.join(moved)}", hint=hint)


def _stamp(path: Path) -> object:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_dev, status.st_size, status.st_mtime_ns, status.st_ctime_ns
