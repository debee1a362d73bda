"""The part of the step `lock` that concerns local projects: what each is built with, declared and asked of its backend."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from lockhouse import building, buildlock, builds, construct
from lockhouse.building import Workshop
from lockhouse.buildlock import Work
from lockhouse.builds import BuildLock
from lockhouse.construct import Yard
from lockhouse.errors import LockhouseError
from lockhouse.local import tree
from lockhouse.local.declaration import LocalProject
from lockhouse.project import Project
from lockhouse.resolution import Compiler
from lockhouse.rules.local import of_local

# Archives know no earlier day; files of a checkout have whatever time it was made at.
EPOCH = 315532800


def lock_local(
    current: Project,
    yard: Yard,
    *,
    connect: Callable[[], Compiler],
    upgrade: Callable[[BuildLock], Sequence[str]],
) -> tuple[LocalProject, ...]:
    """Lock what local projects are built with, where that is not locked or may move; return those it was done for.

    Both an editable and a plain wheel can be built with it. Raises LockhouseError.
    """
    todo = []
    for local in current.local.values():
        lock = current.builds.locks.get(local.name)
        if lock is None or any(of_local(local, lock, yard.target)) or upgrade(lock):
            todo.append(local)
    if todo:
        with yard.house.held(yard.waiting), yard.house.scratch() as scratch:
            work = buildlock.Work(current, yard, scratch, connect(), upgrade)
            for local in todo:
                _lock(local, work)
    return tuple(todo)


def _lock(local: LocalProject, work: Work) -> None:
    path, declared = local.path.as_posix(), local.build_system.requires

    def settle(asked: Sequence[str]) -> BuildLock:
        work.compile(
            local.name,
            path,
            lambda before: builds.local_source_text(path, declared, asked, before),
            lambda lock: of_local(local, lock, work.yard.target),
        )
        work.fetched(local.name)
        return work.current.builds.locks[local.name]

    # What its backend asked for last time is likely what it asks for again: its pins need not go and come back.
    before = work.current.builds.locks.get(local.name)
    lock = settle(before.asked if before and before.local == path else ())
    asked = asked_by_backend(local, lock, work)
    if set(asked) - set(declared) != set(lock.asked):
        settle(asked)


def asked_by_backend(local: LocalProject, lock: BuildLock, work: Work) -> tuple[str, ...]:
    """Return what the backend asks for beyond `build-system.requires` for either kind of wheel. Raises BuildError."""
    yard = work.yard
    own = Path(tempfile.mkdtemp(dir=work.scratch, prefix=f"{local.name}-"))
    source, git = tree.copy(local.folder, own / "source", left_out(yard))
    workshop = Workshop(
        source=source,
        scratch=own,
        epoch=EPOCH,
        environment=construct.furnished(lock, work.current.builds, yard, own),
        environ=yard.environ,
        isolation=yard.config.build_isolation,
        visible=(git,) if git else (),
    )
    try:
        found = [text for editable in (False, True) for text in building.requires(workshop, editable=editable)]
    except LockhouseError as error:
        raise construct.named(error, lock) from error
    finally:
        construct.keep_logs(workshop, local.name, yard)
    return tuple(dict.fromkeys(found))


def left_out(yard: Yard) -> frozenset[Path]:
    """Return the folders of Lockhouse's own that are no part of any local project."""
    return frozenset({yard.config.wheelhouse, yard.config.venv})
