"""The step `install`: make an environment exactly what checked wheels mean it to be, without an index or a network.

The installer never sees the wheelhouse: it gets a page with one hashed `file://` link a pin, a requirements file with
one hash a pin, and no configuration at all. An environment that this step was killed in carries a marker, and is made
anew by the next one.
"""

import contextlib
import html
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from lockhouse import environment as environments
from lockhouse import files, process, removal, scripts
from lockhouse.engines import Engine, scrubbed
from lockhouse.environment import Difference, Environment, Installed, Wanted
from lockhouse.errors import LockhouseError, ProcessError, TargetError, UsageError
from lockhouse.layout import InPrefix, Layout
from lockhouse.plan import Need
from lockhouse.target import STATE, Target, interpreter_of, is_made, of_environment, unfinished
from lockhouse.wheelhouse import StoredWheel, Wheelhouse

# What an environment may be asked to lose, but not the one that asks.
_OURSELVES = canonicalize_name("lockhouse")


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What happened to one project: `before` is what was there, `after` what is there now; equal where files were mended."""

    name: NormalizedName
    before: Version | None = None
    after: Version | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an install did; `left` are files that no project owns, and that were left as they are."""

    added: tuple[Move, ...] = ()
    changed: tuple[Move, ...] = ()
    removed: tuple[Move, ...] = ()
    total: int
    engine: Engine | None = None
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked of an install, beside the wheels: where, for which Python, by which engine.

    `engine` is called where there is something to do for one. `waiting` is called once where another install into the
    same environment is waited for, `begin` before the first change.
    """

    house: Wheelhouse
    venv: Path
    target: Target
    environ: Mapping[str, str]
    engine: Callable[[], Engine]
    keep_extra: bool = False
    compiled: bool = False
    waiting: Callable[[], None] = field(default=lambda: None)
    begin: Callable[[str], None] = field(default=lambda _: None)


def install(chosen: Sequence[tuple[Need, StoredWheel]], request: Request) -> Outcome:
    """Make the environment hold exactly these wheels; it is made if it is missing, and where it is right nothing is done.

    The wheels must have been checked; the installer compares every hash once more. Raises ProcessError where the
    installer refuses, TargetError where the environment cannot be made or is one of another Python, LockhouseError
    where something cannot be removed or is not as locked in the end.
    """
    venv = request.venv
    stored = {need.name: wheel for need, wheel in chosen}
    stamps = _stamps(request.house, stored.values())
    _refuse_unfit(request)
    with _held(venv, request.waiting) as descriptor:
        engine = None
        if made := not is_made(venv):
            engine = request.engine()
            _make(request, engine)
        before = environments.read(venv, request.target.series)
        wanted = {name: environments.wanted(wheel, request.house, before.layout) for name, wheel in stored.items()}
        difference = environments.compare(before, wanted)
        extra = () if request.keep_extra else difference.extra
        todo = [*difference.missing, *difference.differing]
        if todo or extra:
            _refuse_to_remove_ourselves(venv, extra)
            going = [project for project in before.installed if project.name in difference.differing]
            arriving = [wanted[name] for name in todo]
            doomed = removal.doomed(before, [*going, *extra], arriving)
            doomed -= _staying(before, wanted, difference, extra)
            engine = (engine or request.engine()) if todo else None
            with tempfile.TemporaryDirectory(prefix="lockhouse-") as scratch:
                outside = engine.outside(venv, Path(scratch)) if engine else None
                if not made:
                    request.begin(f"with {engine}" if engine else "")
                    _mark(venv)
                removal.remove(before, doomed, [project.info for project in (*going, *extra)])
                if outside:
                    _run(outside, [stored[name] for name in todo], request, Path(scratch), descriptor)
            _refuse_changed(venv, stamps)
            scripts.mend(venv, arriving)
            _verify(request, wanted)
            _refuse_changed(venv, stamps)
        if request.compiled:
            _compile(request, before.layout)
        if marker := unfinished(venv):
            marker.unlink()
    return _outcome(before, stored, difference, extra, engine)


def _staying(
    before: Environment, wanted: Mapping[NormalizedName, Wanted], difference: Difference, extra: Sequence[Installed]
) -> set[InPrefix]:
    """Return the files of whatever stays as it is: another project's RECORD may list them, too."""
    kept = [project for project in (*difference.kept, *difference.extra) if project not in extra]
    staying = {path for project in kept for path in environments.recorded(before, project) or ()}
    for name, wheel in wanted.items():
        if name not in difference.differing and name not in difference.missing:
            staying.update(file.path for file in wheel.files)
    return staying


def _outcome(
    before: Environment,
    stored: Mapping[NormalizedName, StoredWheel],
    difference: Difference,
    extra: Sequence[Installed],
    engine: Engine | None,
) -> Outcome:
    versions = {project.name: project.version for project in before.installed}
    return Outcome(
        added=tuple(Move(name=name, after=stored[name].wheel.version) for name in difference.missing),
        changed=tuple(
            Move(name=name, before=versions[name], after=stored[name].wheel.version) for name in difference.differing
        ),
        removed=tuple(Move(name=project.name, before=project.version) for project in extra),
        total=len(stored),
        engine=engine,
        left=tuple(difference.strays),
    )


# The environment itself


@contextlib.contextmanager
def _held(venv: Path, waiting: Callable[[], None]) -> Iterator[int]:
    state = venv / STATE
    with contextlib.ExitStack() as stack:
        try:
            if state.is_symlink():
                state.unlink()
            state.mkdir(parents=True, exist_ok=True)
            descriptor = stack.enter_context(files.exclusive(state / "lock", waiting))
        except OSError as error:
            raise TargetError(f"the environment {venv} cannot be written to: {error.strerror}") from error
        yield descriptor


def _mark(venv: Path) -> None:
    python = interpreter_of(venv).resolve()
    files.write_atomically(venv / STATE / "unfinished", f"{python}\n")


def _is_ours(venv: Path) -> bool:
    return venv.resolve() == Path(sys.prefix).resolve()


def refuse_unnamed(venv: Path) -> None:
    """Refuse the environment that Lockhouse itself runs in, which is changed only where the user names it."""
    if _is_ours(venv):
        raise UsageError(
            f"{venv} is the environment that Lockhouse itself runs in", hint=f"if you mean it, name it: `--env {venv}`"
        )


def _refuse_unfit(request: Request) -> None:
    """Refuse an environment that is none, is broken, or is one of another Python, before anything is changed."""
    venv = request.venv
    if is_made(venv):
        found = of_environment(venv, environ=request.environ)
        if found.series != request.target.series:
            raise TargetError(
                f"the environment {venv.name} is one of Python {found.series}, the target is Python {request.target.series}",
                hint=f"remove {venv}, or name another one: `--env DIR`",
            )
    if _is_ours(venv) and unfinished(venv):
        raise TargetError(
            f"an install into {venv} was never finished, and Lockhouse runs from there",
            hint="make it anew with another Python: `python3 -m venv --clear`, then install Lockhouse again",
        )


def _refuse_to_remove_ourselves(venv: Path, extra: Sequence[Installed]) -> None:
    if _is_ours(venv) and any(project.name == _OURSELVES for project in extra):
        raise LockhouseError(
            f"Lockhouse runs from {venv}, and no lock asks for it: it would remove itself",
            hint="keep what no lock asks for: `--keep-extra`; or let Lockhouse have an environment of its own",
        )


def _make(request: Request, engine: Engine) -> None:
    """Make the environment; one that carries our marker is emptied first, nothing else ever is."""
    venv = request.venv
    marker = unfinished(venv)
    python = request.target.interpreter
    if marker:
        request.begin(f"with {engine}, anew: an install into it was never finished")
        for entry in venv.iterdir():
            if entry.name != STATE:
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    else:
        request.begin(f"with {engine}")
        files.write_atomically(venv / STATE / "unfinished", f"{python.resolve()}\n")
    try:
        process.run(
            [python, "-I", "-m", "venv", "--without-pip", venv], cwd=venv.parent, environ=scrubbed(request.environ)
        )
    except ProcessError as error:
        raise TargetError(
            f"cannot make the environment {venv.name}: {_tail(error)}",
            hint="on Debian and Ubuntu, venv is a package of its own: apt-get install python3-venv",
        ) from error


# What the installer does, and what it is given


def _run(engine: Engine, wheels: Sequence[StoredWheel], request: Request, scratch: Path, descriptor: int) -> None:
    page, derived, empty = scratch / "links.html", scratch / "requirements.txt", scratch / "empty"
    empty.mkdir()
    page.write_text(links_page(wheels, request.house.path), encoding="utf-8")
    derived.write_text(derived_requirements(wheels), encoding="utf-8")
    # uv leaves a lock of its own in the environment.
    leaving = request.venv / ".lock"
    foreign = not leaving.exists()
    try:
        # With our lock, so that nobody else begins while an installer goes on whose Lockhouse was killed.
        process.run(
            engine.command(interpreter_of(request.venv), page, derived),
            cwd=empty,
            environ=scrubbed(request.environ),
            inherited=(descriptor,),
        )
    except ProcessError as error:
        raise ProcessError(
            f"{engine.name} refused to install: {_tail(error)}",
            argv=error.argv,
            returncode=error.returncode,
            stdout=error.stdout,
            stderr=error.stderr,
            hint="run `make check`, then `make wheelhouse`",
        ) from error
    if foreign:
        leaving.unlink(missing_ok=True)


def links_page(wheels: Sequence[StoredWheel], folder: Path) -> str:
    """Return an index page (PEP 503 anchors) with one link a wheel, whose fragment states its sha256."""
    anchors = [
        f'<a href="{html.escape((folder.resolve() / stored.filename).as_uri())}#sha256={stored.sha256.hex}">'
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


# What is done after it


def _again(venv: Path) -> str:
    return f"run `lockhouse install` again, which makes {venv.name} anew"


def _verify(request: Request, wanted: Mapping[NormalizedName, Wanted]) -> None:
    """See that the installer did what it was asked; raises LockhouseError, and then the marker stays."""
    after = environments.compare(environments.read(request.venv, request.target.series), wanted)
    wrong = [f"{name} is missing" for name in after.missing]
    wrong += [f"{name}: {reason}" for name, reasons in after.differing.items() for reason in reasons]
    if wrong:
        raise LockhouseError(
            f"the installer left what is not as locked: {'; '.join(wrong[:12])}", hint=_again(request.venv)
        )


def _refuse_changed(venv: Path, stamps: Mapping[Path, object]) -> None:
    # pip reads a wheel twice: once for its hash, and later to unpack it.
    if moved := [path.name for path, stamp in stamps.items() if _stamp(path) != stamp]:
        raise LockhouseError(f"these wheels changed while they were installed: {', '.join(moved)}", hint=_again(venv))


def _stamps(house: Wheelhouse, wheels: Iterable[StoredWheel]) -> dict[Path, object]:
    paths = [house.path / stored.filename for stored in wheels]
    return {path: _stamp(path) for path in paths}


def _stamp(path: Path) -> object:
    """Return what changes whenever a file's bytes do, or another file takes its place; nobody can set a ctime."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_dev, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _compile(request: Request, layout: Layout) -> None:
    """Byte-compile what is installed, with the environment's own Python; files that are no sound Python stay as they are."""
    process.run(
        [interpreter_of(request.venv), "-I", "-m", "compileall", "-q", "-j", "0", request.venv / layout.packages],
        cwd=request.venv,
        environ=scrubbed(request.environ),
        check=False,
    )
