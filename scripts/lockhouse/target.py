"""What an install is for: an ordered list of wheel tags and a marker environment, asked of an interpreter.

Refuses an interpreter that does not answer, and Pythons that no supported pip serves.
"""

import functools
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import packaging
from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName, default_environment
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag, sys_tags
from packaging.version import Version

from lockhouse import process
from lockhouse.errors import ProcessError, RequirementsError, TargetError

# The folder in an environment where Lockhouse keeps its lock and its marker.
STATE = ".lockhouse"

# Asked of another interpreter, which may hold no packages at all: ours lends it `packaging`.
_QUESTION = """
import json, sys
sys.path.append(sys.argv[1])
from packaging.markers import default_environment
from packaging.tags import sys_tags
tags = [[tag.interpreter, tag.abi, tag.platform] for tag in sys_tags()]
print(json.dumps({"tags": tags, "markers": default_environment()}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One interpreter on one platform: its tags, best first (PEP 425), and its marker environment (PEP 508)."""

    interpreter: Path
    tags: tuple[Tag, ...]
    markers: Mapping[str, str]
    _ranks: Mapping[Tag, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ranks: dict[Tag, int] = {}
        for rank, tag in enumerate(self.tags):
            ranks.setdefault(tag, rank)
        object.__setattr__(self, "_ranks", ranks)

    @property
    def python(self) -> Version:
        """The full version of the target's Python."""
        return Version(self.markers["python_full_version"])

    @property
    def series(self) -> str:
        """The target's Python as locks name it: `3.11`."""
        return self.markers["python_version"]

    @property
    def name(self) -> str:
        """A short name without dots, for people and cache keys: `cp311-linux_x86_64`."""
        platform = f"{self.markers['sys_platform']}_{self.markers['platform_machine']}"
        return f"{self.tags[0].interpreter}-{platform}".replace(".", "_")

    def rank(self, tags: frozenset[Tag]) -> int | None:
        """Return how well a wheel with these tags fits (0 is best), or None where it does not fit at all."""
        return min((self._ranks[tag] for tag in tags if tag in self._ranks), default=None)

    def accepts_python(self, requires_python: SpecifierSet) -> bool:
        """Return whether a Requires-Python admits the target (pre-releases of Python count, as in pip)."""
        return requires_python.contains(self.python, prereleases=True)

    def applies(self, marker: Marker | None, *, extra: str = "") -> bool:
        """Return whether a requirement with this marker asks for anything on the target, one extra or none being active."""
        try:
            return marker is None or marker.evaluate({**self.markers, "extra": extra})
        except (UndefinedComparison, UndefinedEnvironmentName) as error:
            raise RequirementsError(f"the marker {str(marker)!r} cannot be evaluated: {error}") from error


@functools.cache
def running() -> Target:
    """Return the Python that runs Lockhouse as a target."""
    markers = {name: str(value) for name, value in default_environment().items()}
    return Target(interpreter=Path(sys.executable), tags=tuple(sys_tags()), markers=markers)


def interpreter_of(environment: Path) -> Path:
    """Return where the virtual environment's interpreter is, whether it exists or not."""
    if sys.platform == "win32":
        return environment / "Scripts" / "python.exe"
    return environment / "bin" / "python"


def is_made(environment: Path) -> bool:
    """Return whether there is an environment: a folder with nothing in it, or a venv that was never finished, is none.

    Neither is one that an install was killed in: it is made anew.
    """
    if not environment.is_dir():
        return os.path.lexists(environment)
    if unfinished(environment):
        return False
    if (environment / "pyvenv.cfg").is_file():
        return os.path.lexists(interpreter_of(environment)) or any(environment.glob("[Ll]ib/**/*.dist-info"))
    return any(entry.name != STATE for entry in environment.iterdir())


def unfinished(environment: Path) -> Path | None:
    """Return the marker that stands in an environment from the first change of an install to its last, or None."""
    marker = environment / STATE / "unfinished"
    return marker if marker.is_file() else None


def _of_unfinished(environment: Path) -> Path | None:
    """Return the Python that an environment was made with which an install was killed in, as the marker says."""
    if marker := unfinished(environment):
        python = Path(marker.read_text(encoding="utf-8", errors="replace").strip())
        return python if python.is_absolute() and python.is_file() else None
    return None


def of_environment(environment: Path, *, environ: Mapping[str, str]) -> Target:
    """Return the target of a virtual environment, or of the running Python where there is none yet.

    Raises TargetError where the environment is there but its interpreter does not answer.
    """
    interpreter = interpreter_of(environment)
    if not is_made(environment):
        python = _of_unfinished(environment)
        return of_interpreter(python, environ=environ) if python else running()
    if not (environment / "pyvenv.cfg").is_file():
        raise TargetError(
            f"{environment} is not a virtual environment (it has no pyvenv.cfg)",
            hint="move it out of the way, or set another `venv` in [tool.lockhouse]",
        )
    return of_interpreter(interpreter, environ=environ)


def of_interpreter(interpreter: Path, *, environ: Mapping[str, str]) -> Target:
    """Ask an interpreter for its tags and markers; raises TargetError where it does not answer."""
    if os.path.realpath(interpreter) == os.path.realpath(sys.executable):
        # The same binary gives the same answers, whichever environment it is called through.
        us = running()
        return Target(interpreter=interpreter, tags=us.tags, markers=us.markers)
    lent = Path(packaging.__file__).parent.parent
    try:
        said = process.run(
            [interpreter, "-I", "-S", "-c", _QUESTION, lent], cwd=Path.cwd(), environ=process.without(environ, "PYTHON")
        )
        answer = json.loads(said.stdout)
    except (ProcessError, ValueError) as error:
        detail = error.stderr.strip().splitlines()[-1:] if isinstance(error, ProcessError) else [str(error)]
        raise TargetError(
            f"the interpreter {interpreter} does not answer: {' '.join(detail) or error}",
            hint=f"remove {interpreter.parent.parent} and run `make install`, which makes it anew",
        ) from error
    return Target(
        interpreter=interpreter,
        tags=tuple(Tag(*parts) for parts in answer["tags"]),
        markers={name: str(value) for name, value in answer["markers"].items()},
    )
