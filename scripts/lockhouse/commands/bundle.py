"""The command `bundle`."""

import shlex
import tarfile
import time
from pathlib import Path

import click

from lockhouse import bundle as step
from lockhouse import files, progress, report
from lockhouse.check import check
from lockhouse.commands.session import DONE, FAILED, Session, command, elapsed, layers, today
from lockhouse.config import Config
from lockhouse.errors import UsageError
from lockhouse.formats.text import report_text
from lockhouse.inspection import shown
from lockhouse.wheelhouse import Wheelhouse


@click.command()
@layers
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write the archive here.")
@click.option("--sbom", is_flag=True, help="Add an SBOM (CycloneDX), in the archive and beside it.")
@command
def bundle(session: Session, layers: tuple[str, ...], output: Path | None, sbom: bool) -> int:
    """Check, then write one archive for a machine without a network.

    It holds the wheels, the locks, pip, and `install.py`, which needs nothing but a Python of the same series there. Layers
    are meant as by `install`. The line that is printed in the end is to be run there before the archive is unpacked: it must
    have come on another way.

    \b
      lockhouse bundle
      lockhouse bundle main --output app.tar

    Exit status 1, and nothing written, if there are findings.
    """  # noqa: D301 - \b keeps click from wrapping the examples
    current = session.load()
    chosen = current.environment(layers)
    where = session.target(current)
    began = time.monotonic()
    of_pip = step.layer_of_pip(current, chosen, where)
    judged = tuple(dict.fromkeys((*chosen, of_pip)))
    found = check(current, judged, target=where, house=Wheelhouse(current.config.wheelhouse), today=today())
    if found.errors or found.match is None or found.match.unmet:
        # As with `install`: what is not whole is not passed on, even where that is accepted.
        session.result(report_text(found))
        session.message("nothing was bundled")
        return FAILED
    session.message(report_text(found))
    contents = step.gather(current, chosen, of_pip, found.match, where)
    path = session.cwd / (output or f"{contents.name}.tar")
    _refuse_place(path, current.config)
    extra = _sbom(contents) if sbom else {}
    sha256, size = step.write(contents, current, where, path, extra)
    for name, text in extra.items():
        files.write_atomically(path.with_name(f"{path.name.removesuffix('.tar')}.{name}"), text)
    place = shown(path, session.cwd)
    session.result(f"{place}: {report.count(len(contents.packed), 'wheel')}, {progress.size(size)} {elapsed(began)}")
    session.result("before you unpack it there, where this line must have come on another way than the archive:")
    session.result(f"  echo {shlex.quote(f'{sha256.hex}  {place.name}')} | sha256sum -c")
    return DONE


def _sbom(contents: step.Contents) -> dict[str, str]:
    from lockhouse import sbom  # noqa: PLC0415 - an extra that most installs do without

    return {sbom.FILENAME: sbom.sbom(contents)}


def _refuse_place(path: Path, config: Config) -> None:
    """Raise UsageError where an archive would be in the way, or take the place of something else."""
    if path.is_dir() or not path.parent.is_dir():
        raise UsageError(f"{path} is a folder" if path.is_dir() else f"there is no folder {path.parent}")
    if not path.name.isprintable() or "\\" in path.name:
        raise UsageError(f"{path.name!r} is no name for an archive")
    if path.parent.resolve().is_relative_to(config.wheelhouse.resolve()):
        raise UsageError("the wheelhouse is for wheels only", hint="choose another --output")
    if path.exists() and not tarfile.is_tarfile(path):
        raise UsageError(f"{path.name} is there and no archive; it stays as it is", hint="choose another --output")
