"""The exceptions that stop a step, each with what is needed to mend it.

A finding of `check` is not an exception; see `lockhouse.rules`.
"""

from dataclasses import dataclass
from pathlib import PurePath


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A place in a file: a path as the user should read it, and a line counted from 1 (0: the whole file).

    >>> str(Location(PurePath("requirements/dev.txt"), 41))
    'requirements/dev.txt:41'
    """

    path: PurePath
    line: int = 0

    def __str__(self) -> str:
        path = self.path.as_posix()
        return f"{path}:{self.line}" if self.line else path


class LockhouseError(Exception):
    """Something that a message explains: what is wrong, where, and how to mend it.

    `exit_status` is what the command line exits with: 1 for a failure, 2 for wrong usage or configuration.
    """

    exit_status = 1

    def __init__(self, reason: str, *, where: Location | None = None, hint: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}" if self.where else self.reason


class UsageError(LockhouseError):
    """The command line asks for something that does not exist or does not go together."""

    exit_status = 2


class ConfigError(LockhouseError):
    """`[tool.lockhouse]` or the project's layout cannot be understood."""

    exit_status = 2


class RequirementsError(LockhouseError):
    """A line of a lock or a source cannot be read; `where` names the file and the line."""


class WheelError(LockhouseError):
    """A file that should be a wheel is none, or is not a sound one."""


class SdistError(LockhouseError):
    """A file that should be a source distribution is none, or is not one that can be unpacked and built."""


class TargetError(LockhouseError):
    """The target's interpreter cannot be asked, or is not one that Lockhouse can serve."""


class ProcessError(LockhouseError):
    """A program that a step runs failed; the facts stay readable as attributes."""

    def __init__(
        self, reason: str, *, argv: tuple[str, ...], returncode: int, stdout: str, stderr: str, hint: str | None = None
    ) -> None:
        super().__init__(reason, hint=hint)
        self.argv = argv
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr


class BusyError(LockhouseError):
    """Another run of Lockhouse holds the wheelhouse."""


class FetchError(LockhouseError):
    """A source of bytes refused, could not be reached, or gave something else than what is locked.

    `transient` says that another try may well succeed; `status` is that of an HTTP answer, 0 where there was none.
    """

    def __init__(
        self,
        reason: str,
        *,
        where: Location | None = None,
        hint: str | None = None,
        transient: bool = False,
        status: int = 0,
    ) -> None:
        super().__init__(reason, where=where, hint=hint)
        self.transient = transient
        self.status = status
