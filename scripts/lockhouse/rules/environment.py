"""Rules about an environment: every pin is installed, nothing else is, and the files are those of the locked wheels."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import PurePath

from packaging.utils import NormalizedName

from lockhouse.environment import Difference, Environment
from lockhouse.errors import Location
from lockhouse.plan import Need
from lockhouse.rules import Finding, finding

# So many reasons are shown of one project; the first one usually says it.
_SHOWN = 5


def environment_findings(
    difference: Difference,
    environment: Environment,
    needs: Mapping[NormalizedName, Need],
    *,
    place: PurePath,
    mend: str,
) -> Iterator[Finding]:
    """Report where an environment and its wheels differ, each project once.

    `place` is the environment as the user should read it, `mend` the hint that makes it right.
    """
    for name in difference.missing:
        need = needs[name]
        yield finding("env-missing", need.pins[0].location, f"{need.label} is not in {place.as_posix()}", hint=mend)
    infos = {project.name: project.info for project in environment.installed}
    for name, reasons in difference.differing.items():
        facts = [("also", reason) for reason in reasons[1:_SHOWN]]
        if len(reasons) > _SHOWN:
            facts.append(("and", f"{len(reasons) - _SHOWN} more"))
        where = Location(place / infos[name])
        yield finding("env-differs", where, f"{needs[name].label}: {reasons[0]}", facts=facts, hint=mend)
    for project in difference.extra:
        how = f", and was installed from {project.origin}" if project.origin else ""
        yield finding("env-extra", Location(place / project.info), f"no lock asks for {project.label}{how}", hint=mend)
    for path in difference.strays:
        where = Location(place / path)
        yield finding("env-extra", where, "no project owns this", hint=f"remove it: `rm -r {shlex.quote(str(where))}`")


def unmade(place: PurePath, count: int, *, begun: bool, mend: str) -> Finding:
    """Report an environment that is not there, or that an install was killed in; nothing in it is judged then."""
    if begun:
        return finding("env-differs", Location(place), "an install into this environment was never finished", hint=mend)
    said = f"there is no environment yet, and {count} package{'' if count == 1 else 's'} to put into it"
    return finding("env-missing", Location(place), said, hint=mend)
