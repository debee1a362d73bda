"""What `install` needs of local projects: their wheels, judged against the pins that they are installed with."""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from lockhouse import report, solutions
from lockhouse.check import Report
from lockhouse.commands.making import yard_of
from lockhouse.commands.session import Session
from lockhouse.errors import LockhouseError
from lockhouse.layers import LoadedLayer
from lockhouse.local.kept import LocalWheel
from lockhouse.local.wheels import local_wheels
from lockhouse.project import Project
from lockhouse.target import Target


@contextlib.contextmanager
def wheels_of(
    session: Session, current: Project, layers: Sequence[LoadedLayer], where: Target, found: Report, *, editable: bool
) -> Iterator[list[LocalWheel]]:
    """Give the wheels of all local projects, built where they must be; those that were built are gone in the end.

    `found` is what the check of the layers said. Raises LockhouseError where one cannot be built, or where something that
    their METADATA require is not what the layers pin.
    """
    with tempfile.TemporaryDirectory(prefix="lockhouse-") as scratch:
        yard = yard_of(session, current, where)
        wheels = local_wheels(current, yard, current.config.venv, Path(scratch), editable=editable)
        graph = solutions.together(layers, where, found.read, [each.project for each in wheels])
        if unmet := list(graph.findings()):
            session.result("\n".join(map(report.finding_text, sorted(set(unmet)))))
            names = ", ".join(layer.name for layer in layers)
            raise LockhouseError(
                f"what local projects require is not what {names} pins; nothing was installed",
                hint="mend that, or leave local projects out: `--no-local`",
            )
        yield wheels
