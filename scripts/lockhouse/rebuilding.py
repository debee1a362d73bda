"""The part of the step `wheelhouse` that builds: what the record knows must come out again, byte for byte."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lockhouse import builds, construct
from lockhouse.builds import Builds
from lockhouse.check import required_and_allowed
from lockhouse.construct import Made, Yard
from lockhouse.errors import LockhouseError
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
    unlocked = [need for need in jobs if need.name not in known.locks]
    if unlocked:
        labels = ", ".join(need.label for need in unlocked)
        raise LockhouseError(f"{labels}: no build lock says how to build it", hint="run `make lock`")
    every = _built_needs(current, yard)
    sdists = construct.fetched_sdists(list(dict.fromkeys((*jobs, *every))), yard)
    construct.drop_unneeded((*jobs, *every), yard)
    needed = [known.locks[name] for name in dict.fromkeys(need.name for need in (*jobs, *every))]
    construct.fetched_inputs(needed, known.locks.values(), yard)
    housed: list[Made] = []
    recorded: list[Made] = []
    failures: list[LockhouseError] = []
    if jobs:
        with yard.house.held(yard.waiting), yard.house.scratch() as scratch:
            work = [(need, sdists[need], known.locks[need.name]) for need in jobs]
            lines: Record = known.record
            for need, outcome in construct.made(work, yard, scratch):
                if isinstance(outcome, LockhouseError):
                    failures.append(outcome)
                elif outcome.line.digest in need.built:
                    construct.put(outcome, yard)
                    housed.append(outcome)
                elif record:
                    construct.put(outcome, yard)
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
