"""What the option `--env` means to the commands that have it."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lockhouse.commands.session import Session
from lockhouse.errors import UsageError
from lockhouse.layers import LoadedLayer
from lockhouse.project import Project


def for_environment(session: Session, current: Project, env: Path | None) -> Project:
    """Return the project with the environment that the command line names, if it names one; raises UsageError."""
    if env is None:
        return current
    prefix = session.cwd / env
    root = current.config.root.resolve()
    if prefix.resolve() in {root, *root.parents}:
        raise UsageError(f"the environment {env} must be a directory of its own, below the project or elsewhere")
    return replace(current, config=replace(current.config, venv=prefix))


def with_environment(
    session: Session, current: Project, env: str | None, words: Sequence[str]
) -> tuple[Project, tuple[LoadedLayer, ...], str]:
    """Return the project, the layers that its environment should hold, and the hint that mends it.

    `env` is None where no environment is to be judged (then there are no such layers), and empty for the configured one.
    """
    if not env:
        return current, () if env is None else current.environment(words), "run `make install`"
    if env in current.layers and not (session.cwd / env).exists():
        raise UsageError(
            f"there is no environment {env!r}",
            hint=f"to judge the usual one by that layer: `lockhouse check {env} --env`",
        )
    named = for_environment(session, current, Path(env))
    return named, named.environment(words), f"run `{shlex.join(['lockhouse', 'install', '--env', env, *words])}`"
