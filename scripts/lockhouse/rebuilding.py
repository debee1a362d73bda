"""The part of the step `wheelhouse` that builds: what the record knows must come out again, byte for byte."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import NormalizedName

from lockhouse import builds, construct
from lockhouse.builds import Builds
from lockhouse.construct import Made, Yard
from lockhouse.errors import LockhouseError
from lockhouse.inspection import required_and_allowed
from lockhouse.plan import Need
from lockhouse.project import Project
from lockhouse.record import Line, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of the builds: wheels that are as recorded, wheels that were recorded now, and what went wrong."""

    housed: tuple[Made, ...]
    recorded: tuple[Made, ...]
    failures: tuple[LockhouseError, ...]


def build(current: Project, yard: Yard, *, left: Sequence[Need], again: Sequence[Need], record: bool) -> Outcome:
    """Have the inputs of every build here, build what is `left` and everything of `again`, and compare with the record.

    With `record`, what the record does not know is written into it; otherwise it is kept aside and is a failure.
    """
    jobs = list(dict.fromkeys((*left, *again)))
    known = current.builds
    unlocked = [need.label for need in jobs if need.name not in known.locks]
    unlocked += [str(local.path) for local in current.local.values() if local.name not in known.locks]
    if unlocked:
        labels = ", ".join(unlocked)
        raise LockhouseError(f"{labels}: no build lock says how to build it", hint="run `make lock`")
    every = list(dict.fromkeys((*jobs, *_built_needs(current, yard))))
    sdists = construct.fetched_sdists(every, yard)
    inner = construct.build_needs(known.locks.values(), known, yard.target)
    construct.drop_unneeded((*every, *inner), yard)
    with yard.house.held(yard.waiting), yard.house.scratch() as scratch:
        _inputs([*current.local, *(need.name for need in every)], known, yard, scratch)
    housed: list[Made] = []
    recorded: list[Made] = []
    failures: list[LockhouseError] = []
    if jobs:
        with yard.house.held(yard.waiting), yard.house.scratch() as scratch:
            work = [(need, sdists[need]) for need in jobs]
            lines: Record = known.record
            for need, outcome in construct.made(work, known, yard, scratch):
                if isinstance(outcome, LockhouseError):
                    failures.append(outcome)
                elif outcome.line.digest in need.built:
                    construct.put(outcome, yard.house)
                    housed.append(outcome)
                elif record:
                    construct.put(outcome, yard.house)
                    lines = lines.with_(outcome.line)
                    recorded.append(outcome)
                else:
                    failures.append(_refused(outcome, known, yard))
            construct.describe((*housed, *recorded), yard)
            if not failures:
                yard.house.filled()
            if recorded:
                lines.write(current.config.root / builds.RECORD)
    return Outcome(housed=tuple(housed), recorded=tuple(recorded), failures=tuple(failures))


def _inputs(
    names: Sequence[NormalizedName], known: Builds, yard: Yard, scratch: Path, above: Set[NormalizedName] = frozenset()
) -> None:
    """Have here what builds are made with; what of it must be built itself has to come out as recorded, too."""
    left = construct.fetched_inputs(names, known, yard)
    if not left:
        return
    unlocked = [need.label for need in left if need.name not in known.locks]
    if unlocked:
        raise LockhouseError(f"{', '.join(unlocked)}: no build lock says how to build it", hint="run `make lock`")
    if circle := above & set(names):
        raise LockhouseError(f"{', '.join(sorted(circle))}: the build locks need each other", hint="run `make lock`")
    _inputs([need.name for need in left], known, yard, scratch, above | set(names))
    sdists = construct.fetched_sdists(left, yard)
    for need, outcome in construct.made([(need, sdists[need]) for need in left], known, yard, scratch):
        if isinstance(outcome, LockhouseError):
            raise outcome
        if outcome.line.digest not in need.built:
            raise _refused(outcome, known, yard)
        construct.put(outcome, yard.house.inputs)


def _built_needs(current: Project, yard: Yard) -> list[Need]:
    """Return the needs that are answered by a build on this target, by what is committed alone."""
    required, _ = required_and_allowed(current, tuple(current.layers.values()), yard.target)
    return [need for need in required if need.name in current.builds.locks and (need.built or need.from_source)]


def _refused(made: Made, known: Builds, yard: Yard) -> LockhouseError:
    kept = construct.keep_aside(made, yard)
    facts: dict[str, str] = {
        "built": str(made.line.digest),
        "with": f"{made.origin.partition(', with ')[2]}, build lock {made.line.build_lock}",
    }
    lines = [line for line in known.record.lines if line.sdist_digest == made.line.sdist_digest]
    facts |= {f"record line {number}": _shown(line) for number, line in enumerate(lines, 1)}
    facts |= _differences(made, yard, kept)
    what = "is not what the record says" if made.need.built else "is not recorded"
    return LockhouseError(
        f"{made.wheel.filename} was built, and {what}; it is kept aside as {kept.name}:\n"
        + "\n".join(f"  {word}: {value}" for word, value in facts.items()),
        where=made.need.pins[0].location,
        hint="if this build is right, run `lockhouse wheelhouse --record` and commit the record; "
        "if not, look at the toolchain and the build lock",
    )


def _shown(line: Line) -> str:
    return f"{line.wheel} {line.digest}, build lock {line.build_lock}"


def _differences(made: Made, yard: Yard, kept: Path) -> Mapping[str, str]:
    here = yard.house.path / made.wheel.filename
    if not here.is_file():
        return {}
    differing = construct.differing_members(here, kept)
    return {"differs from the wheel that is here in": ", ".join(differing[:10]) or "its packing only"}
