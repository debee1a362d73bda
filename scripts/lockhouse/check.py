"""The step `check`: every rule, all findings at once, and nothing that only follows from another finding."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING

from lockhouse.layers import LoadedLayer
from lockhouse.project import Project
from lockhouse.rules import Finding
from lockhouse.rules.accepted import Accepted, judged, sort_out
from lockhouse.rules.builds import build_findings
from lockhouse.rules.freshness import freshness
from lockhouse.rules.local import pinned_too
from lockhouse.rules.locks import disagreements, duplicated, lock_findings
from lockhouse.target import Target

if TYPE_CHECKING:
    # What is about wheels is imported where it is used: it takes longer than to judge the locks alone.
    from lockhouse.plan import Match
    from lockhouse.solutions import Wheels
    from lockhouse.wheelhouse import Wheelhouse


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All findings, sorted by place; what was judged (`locks`, `pins`, `wheels`), and in `notes` what was not.

    `match` says which wheel answers which pin; it is None where the wheelhouse was not looked at. `accepted` findings
    do not count, `waited` says in sentences which rules wait for something, and `ignored` which were not asked for.
    `read` are the wheels that answer, as they were read.
    """

    findings: tuple[Finding, ...]
    locks: int
    pins: int
    wheels: int
    notes: tuple[str, ...]
    waited: tuple[str, ...]
    match: Match | None
    accepted: tuple[Accepted, ...] = ()
    ignored: tuple[str, ...] = ()
    read: Wheels = field(default_factory=dict)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that make the exit status 1."""
        return tuple(found for found in self.findings if found.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings that do not, unless asked to be strict."""
        return tuple(found for found in self.findings if found.severity == "warning")


def check(
    project: Project,
    layers: Sequence[LoadedLayer],
    *,
    target: Target,
    house: Wheelhouse | None,
    deep: bool = False,
    installed: Sequence[LoadedLayer] = (),
    mend: str = "run `make install`",
    today: date | None = None,
) -> Report:
    """Judge the layers on the target, and the wheelhouse with them unless `house` is None; nothing is changed.

    With `deep`, every member of every wheel is hashed, too. `installed` are layers that the project's environment should
    hold: it is judged as well (`mend` is the hint). What the project has accepted counts as that until it ends; without
    `today` nothing is accepted. Raises OSError where the wheelhouse cannot be read.
    """
    chosen = {layer.name for layer in layers}
    differing = [found for found in disagreements(project, target) if found.layer in chosen]
    disputed = {each.name for each in differing}.union(
        *(duplicated(layer.lock, target) for layer in layers if layer.lock)
    )
    findings = [each.finding for each in differing]
    outdated: set[str] = set()
    for layer in layers:
        of_sources = list(freshness(layer, target, disputed=disputed))
        if of_sources:
            outdated.add(layer.name)
        findings.extend(of_sources)
        if layer.lock:
            findings.extend(lock_findings(layer.lock, target))
            findings.extend(pinned_too(layer.lock, project.local, target))
    findings.extend(build_findings(project, target))
    match, waited, proven = None, False, set[str]()
    read: Wheels = {}
    if house:
        from lockhouse.inspection import inspect, inspect_environment  # noqa: PLC0415 - as said above

        seen = inspect(project, layers, target, house, disputed=disputed, deep=deep)
        match, read, waited = seen.match, seen.wheels, seen.waited
        findings.extend(seen.findings)
        for graph in seen.graphs:
            findings.extend(graph.findings())
            names = {layer.name for layer in graph.layers}
            proven |= names
            if names.isdisjoint(outdated):
                findings.extend(graph.unreachable())
        if installed:
            findings.extend(inspect_environment(project, installed, seen.match, target, house, mend=mend, deep=deep))
    report = Report(
        findings=tuple(sorted(set(findings))),
        locks=sum(layer.lock is not None for layer in layers),
        pins=sum(len(layer.lock.pins) for layer in layers if layer.lock),
        wheels=len(match.chosen) if match else 0,
        notes=tuple(_not_judged(project, layers, house, proven)),
        waited=("the dependency rules wait until every pin has its wheel",) if waited else (),
        match=match,
        read=read,
    )
    return _sorted_out(report, project, layers, target, today) if today else report


def _sorted_out(report: Report, project: Project, layers: Sequence[LoadedLayer], target: Target, today: date) -> Report:
    """Return the report with what the project accepts set aside, and with findings about acceptances."""
    all_there = report.match is not None and not report.match.unmet
    complete = judged(
        sources=not report.notes,
        wheels=all_there,
        dependencies=all_there and not report.waited,
        fresh=not any(found.rule in {"lock-missing", "lock-stale", "lock-orphan"} for found in report.findings),
    )
    counting, accepted = sort_out(
        report.findings,
        project.config.accept,
        pins=[*(pin for layer in project.layers.values() for pin in layer.pins), *project.builds.pins],
        judged=complete if len(layers) == len(project.layers) else frozenset(),
        today=today,
        target=target.name,
    )
    return replace(report, findings=tuple(sorted(counting)), accepted=tuple(accepted))


def _not_judged(
    project: Project, layers: Sequence[LoadedLayer], house: Wheelhouse | None, proven: Set[str]
) -> list[str]:
    """Return what could not be told, less what the wheels of the `proven` layers tell themselves."""
    notes = []
    undeclared = [local.path.as_posix() for local in project.local.values() if local.requires is None]
    if house and undeclared:
        notes.append(f"what {', '.join(undeclared)} requires is for its build to tell: `install` judges it")
    if house and (unlocked := project.unlocked):
        notes.append(f"without {', '.join(unlocked)}, wheels that nothing asks for were not judged")
    for layer in layers:
        if layer.lock is None:
            continue
        if not layer.sources:
            notes.append(f"{layer.layer.lock} has no sources here: whether it is fresh was not judged")
        elif layer.name in proven:
            continue
        elif not any(pin.via for pin in layer.lock.pins) and layer.lock.pins:
            notes.append(f"{layer.layer.lock} has no `via` comments: pins that nothing asks for were not judged")
        if layer.sources and not layer.lock.keeps_extras and any(line.extras for line in layer.requirements):
            notes.append(f"{layer.layer.lock} keeps no extras: those that its sources ask for were not judged")
    return notes
