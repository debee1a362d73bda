"""The command `diff`."""

from collections.abc import Callable, Mapping

import click

from lockhouse import diff as step
from lockhouse.commands.session import DONE, FAILED, Session, command, layer_names
from lockhouse.formats.moved import moved_text
from lockhouse.formats.moved_json import moved_json
from lockhouse.formats.moved_markdown import moved_markdown

_FORMATS: Mapping[str, Callable[[step.Difference], str]] = {
    "text": moved_text,
    "markdown": moved_markdown,
    "json": moved_json,
}


@click.command()
@click.argument("states", nargs=-1, metavar="[OLD [NEW]]", type=click.Path())
@click.option(
    "--layer",
    "layers",
    multiple=True,
    metavar="NAME",
    shell_complete=layer_names,
    help="Compare this layer only; may be given again.",
)
@click.option(
    "--format", "form", type=click.Choice(list(_FORMATS)), default="text", help="What to print; text if not given."
)
@click.option("--exit-code", is_flag=True, help="Exit with 1 if anything moved.")
@command
def diff(session: Session, states: tuple[str, ...], layers: tuple[str, ...], form: str, exit_code: bool) -> int:
    """Say what moved between two states of the locks.

    Hashes that changed while the version did not come first: no honest index does that. Then, for each lock, what was
    added, removed, upgraded, downgraded or changed, and builds whose record changed. Comments and order do not count.

    A state is a git revision or a file. Without OLD it is HEAD, without NEW the working tree. A..B is A B; A...B is what
    B brings since it left A. Of two revisions, layers are those of the configuration as it is now.

    \b
      lockhouse diff                       what is not committed yet
      lockhouse diff origin/main...HEAD    what this branch brings
      lockhouse diff old.txt new.txt       two files, with or without git

    Exit status 0, moved or not; 1 if a state cannot be read, or anything moved under --exit-code.
    """  # noqa: D301 - \b keeps click from wrapping the examples
    before, after = step.states(states, cwd=session.cwd, root=session.root, environ=session.environ)
    found = step.diff(
        before,
        after,
        root=session.root,
        configuration=session.configuration,
        environ=session.environ,
        layers=layers,
    )
    session.result(_FORMATS[form](found))
    return FAILED if exit_code and found.moved else DONE
