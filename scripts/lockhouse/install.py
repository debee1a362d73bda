"""The step `install`: make an environment exactly what checked wheels mean it to be, without an index or a network.

All removing is done here, and an installer only ever adds. What it leaves is compared with the wheels. An environment
that this step was killed in carries a marker, and is made anew by the next one.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

from packaging.utils import NormalizedName
from packaging.version import Version

from lockhouse import environment, handover, process, removal, scripts, venv
from lockhouse.engines import Engine, scrubbed
from lockhouse.environment import Difference, Environment, Installed, Wanted
from lockhouse.errors import LockhouseError
from lockhouse.layout import InPrefix
from lockhouse.plan import Need
from lockhouse.target import Target, interpreter_of, is_made, unfinished
from lockhouse.wheelhouse import StoredWheel, Wheelhouse


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What happened to one project: `before` is what was there, `after` what is there now; equal where it was mended."""

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
    left: tuple[InPrefix, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked of an install, beside the wheels: where, for which Python, by which engine.

    `engine` is called where there is something for one to do. `waiting` is called once where another install into the
    same environment is waited for, `begin` before the first change, with the engine and a reason in words.
    """

    house: Wheelhouse
    venv: Path
    target: Target
    environ: Mapping[str, str]
    engine: Callable[[], Engine]
    again: Set[NormalizedName] = frozenset()
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
    stored = {need.name: wheel for need, wheel in chosen}
    venv.refuse_unfit(request.venv, request.target, request.environ)
    with venv.held(request.venv, request.waiting) as lock:
        engine = None
        if not is_made(request.venv):
            engine = request.engine()
            anew = ", anew: an install into it was never finished" if unfinished(request.venv) else ""
            request.begin(f"with {engine}{anew}")
            venv.make(request.venv, request.target, request.environ)
        stamps = handover.stamps(request.house, stored.values())
        change = _change(stored, request)
        if change.todo or change.going:
            _carry_out(change, request, engine, stamps, lock)
        if request.compiled:
            _compile(request, change.before)
        venv.unmark(request.venv)
    return change.outcome()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """What is to be done to an environment: `todo` are the projects to install, `going` those to remove before."""

    before: Environment
    stored: Mapping[NormalizedName, StoredWheel]
    wanted: Mapping[NormalizedName, Wanted]
    difference: Difference
    extra: tuple[Installed, ...]

    @property
    def todo(self) -> tuple[NormalizedName, ...]:
        return (*self.difference.missing, *self.difference.differing)

    @property
    def going(self) -> tuple[Installed, ...]:
        replaced = (project for project in self.before.installed if project.name in self.difference.differing)
        return (*replaced, *self.extra)

    def doomed(self) -> frozenset[InPrefix]:
        """Return the files to remove: those of what goes, and where files will be, less those of whatever stays."""
        arriving = [self.wanted[name] for name in self.todo]
        doomed = removal.doomed(self.before, self.going, arriving)
        # Another project's RECORD may list them, too.
        kept = [each for each in (*self.difference.kept, *self.difference.extra) if each not in self.extra]
        staying = {path for project in kept for path in environment.recorded(self.before, project) or ()}
        for name in self.wanted.keys() - set(self.todo):
            staying.update(file.path for file in self.wanted[name].files)
        return doomed - staying

    def outcome(self) -> Outcome:
        versions = {project.name: project.version for project in self.before.installed}
        after = {name: stored.wheel.version for name, stored in self.stored.items()}
        differing = self.difference.differing
        return Outcome(
            added=tuple(Move(name=name, after=after[name]) for name in self.difference.missing),
            changed=tuple(Move(name=name, before=versions[name], after=after[name]) for name in differing),
            removed=tuple(Move(name=project.name, before=project.version) for project in self.extra),
            total=len(self.stored),
            left=self.difference.strays,
        )


def _change(stored: Mapping[NormalizedName, StoredWheel], request: Request) -> _Change:
    before = environment.read(request.venv, request.target.series)
    wanted = {name: environment.wanted(wheel, request.house, before.layout) for name, wheel in stored.items()}
    difference = environment.compare(before, wanted)
    anew = dict.fromkeys(request.again - {*difference.missing, *difference.differing}, ("it was built anew",))
    differing = {**difference.differing, **anew}
    # What goes with a project that is replaced is no stray.
    replaced = [project for project in before.installed if project.name in differing]
    owned = {path for project in replaced for path in environment.recorded(before, project) or ()}
    strays = tuple(path for path in difference.strays if path not in owned)
    difference = replace(difference, differing=differing, strays=strays)
    extra = () if request.keep_extra else difference.extra
    return _Change(before=before, stored=stored, wanted=wanted, difference=difference, extra=extra)


def _carry_out(
    change: _Change, request: Request, engine: Engine | None, stamps: Mapping[Path, object], lock: int
) -> None:
    """Change the environment; what is refused is refused before the first change, and what fails later leaves the marker."""
    hint = f"run `lockhouse install` again, which makes {request.venv.name} anew"
    venv.refuse_to_lose_ourselves(request.venv, [project.name for project in change.extra])
    doomed = change.doomed()
    wheels = [change.stored[name] for name in change.todo]
    if wheels and engine is None:
        engine = request.engine()
    with tempfile.TemporaryDirectory(prefix="lockhouse-") as scratch:
        outside = engine.outside(request.venv, Path(scratch)) if engine and wheels else None
        if not unfinished(request.venv):
            request.begin(f"with {engine}" if outside else "")
            venv.mark(request.venv)
        removal.remove(change.before, doomed, [project.info for project in change.going])
        if outside:
            handover.run(
                outside,
                wheels,
                house=request.house,
                venv=request.venv,
                scratch=Path(scratch),
                environ=request.environ,
                lock=lock,
            )
    handover.refuse_changed(stamps, hint=hint)
    scripts.mend(request.venv, [change.wanted[name] for name in change.todo])
    _verify(change, request, hint)
    handover.refuse_changed(stamps, hint=hint)


def _verify(change: _Change, request: Request, hint: str) -> None:
    missing, differing = environment.wrong(environment.read(request.venv, request.target.series), change.wanted)
    said = [f"{name} is missing" for name in missing]
    said += [f"{name}: {reason}" for name, reasons in differing.items() for reason in reasons]
    if said:
        raise LockhouseError(f"the installer left what is not as locked: {'; '.join(said[:12])}", hint=hint)


def _compile(request: Request, before: Environment) -> None:
    """Byte-compile what is installed, with the environment's own Python; files that are no sound Python stay as they are."""
    packages = request.venv / before.layout.packages
    process.run(
        [interpreter_of(request.venv), "-I", "-m", "compileall", "-q", "-j", "0", packages],
        cwd=request.venv,
        environ=scrubbed(request.environ),
        check=False,
    )
