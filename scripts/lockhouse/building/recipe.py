"""The two PEP 517 questions about a source tree: what its build requires beyond the declared, and its wheel.

Both can be asked for an editable wheel as well (PEP 660). Refuses a build without namespaces where those are demanded, and a backend that leaves anything but one wheel.
"""

import json
import os
import shlex
import shutil
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from lockhouse import process
from lockhouse.building.diagnosis import BuildError, HookMissingError, failed, shown
from lockhouse.building.sandbox import NAMESPACES, NO_SANDBOX, Sandbox, isolation_here, lent, sandbox_here
from lockhouse.building.variables import build_environ
from lockhouse.errors import ProcessError, WheelError
from lockhouse.filenames import WheelName
from lockhouse.target import interpreter_of

__all__ = ["BuildError", "Built", "HookMissingError", "Workshop", "build", "isolation_here", "requires"]

REQUIRES, WHEEL = "get_requires_for_build_wheel", "build_wheel"
REQUIRES_EDITABLE, EDITABLE = "get_requires_for_build_editable", "build_editable"
_BOOT = "import sys; sys.path += sys.argv.pop(1).split('\\n'); from lockhouse.building.driver import main; sys.exit(main(sys.argv[1:]))"
_ANSWER_LIMIT = 1 << 20
_TOOLCHAIN = (
    "import platform, sysconfig; print(platform.python_implementation(), platform.python_version(), sep=' ')\n"
    "print(sysconfig.get_config_var('CC') or '')"
)
_ALLOW = (
    "allow namespaces (`sysctl kernel.unprivileged_userns_clone=1`, on Ubuntu `sysctl kernel.apparmor_restrict_unprivileged_userns=0`, "
    'with Docker `--security-opt seccomp=unconfined`), or set build-isolation = "best"'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """Where and with what one source tree is built.

    `source` is the tree, which the build may write to; `scratch` a private folder for everything else that a build makes,
    deleted by the caller; an unpacked sdist lies in it. `environment` is a virtual environment with the locked build wheels and nothing else. `epoch` is
    SOURCE_DATE_EPOCH, `environ` the user's variables, `isolation` "best" or "strict". `visible` are other folders that the
    build reads.
    """

    source: Path
    scratch: Path
    epoch: int
    environment: Path
    environ: Mapping[str, str]
    isolation: str
    visible: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A wheel and how it came about: "namespaces" or "scrubbed", the whole log, and Python and compiler in one line."""

    wheel: Path
    isolation: str
    log: Path
    toolchain: str


def requires(workshop: Workshop, *, editable: bool = False, sandbox: Sandbox | None = None) -> tuple[str, ...]:
    """Return what the backend itself asks for beyond `build-system.requires`, sorted (PEP 517, PEP 508 texts).

    Backends may write into the source meanwhile. Raises BuildError.
    """
    bench = _Bench.make(workshop, REQUIRES_EDITABLE if editable else REQUIRES, sandbox or sandbox_here())
    asked = bench.call()
    if not isinstance(asked, list):
        raise bench.error(f"{bench.step} gave no list of requirements")
    for text in asked:
        if not _is_requirement(text):
            raise bench.error(f"{bench.step} asks for {text!r}, which is no requirement")
    return tuple(asked)


def build(workshop: Workshop, *, editable: bool = False, sandbox: Sandbox | None = None) -> Built:
    """Build the wheel (PEP 517, PEP 660) and return where it is, below the scratch folder.

    Raises BuildError, and HookMissingError where the backend builds no editable wheels.
    """
    bench = _Bench.make(workshop, EDITABLE if editable else WHEEL, sandbox or sandbox_here())
    toolchain = _toolchain(bench)
    told = bench.call()
    output = bench.room / "output"
    found = sorted(output.iterdir())
    if len(found) != 1 or found[0].name != told or found[0].is_symlink() or not found[0].is_file():
        names = ", ".join(repr(path.name) for path in found) or "nothing"
        raise bench.error(f"{bench.step} should leave one wheel and name it, but left {names} and named {told!r}")
    try:
        WheelName.parse(found[0].name)
    except WheelError as error:
        raise bench.error(error.reason) from error
    return Built(wheel=found[0], isolation=bench.sandbox.isolation, log=bench.log, toolchain=toolchain)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """One hook's own place: `room` is all that it may write to beside the source."""

    source: Path
    room: Path
    log: Path
    python: Path
    environ: Mapping[str, str]
    needs: tuple[str, ...]
    step: str
    sandbox: Sandbox

    @classmethod
    def make(cls, workshop: Workshop, step: str, sandbox: Sandbox) -> "_Bench":
        source, scratch, environment = (
            path.resolve() for path in (workshop.source, workshop.scratch, workshop.environment)
        )
        if workshop.isolation == "strict" and sandbox.isolation != NAMESPACES:
            raise BuildError(
                f'{source.name} is not built: build-isolation = "strict" needs Linux namespaces, which are not to be had here'
                + (f" ({sandbox.obstacle})" if sandbox.obstacle else ""),
                package=source.name,
                step=step,
                hint=_ALLOW,
            )
        room = scratch / step
        try:
            if room.exists():
                shutil.rmtree(room)
            for name in ("home", "tmp", "output", "dev"):
                (room / name).mkdir(parents=True)
        except OSError as error:
            raise BuildError(
                f"{source.name} is not built: cannot make its folder {room.name} afresh: {error.strerror}",
                package=source.name,
                step=step,
            ) from error
        python = interpreter_of(environment)
        environ = build_environ(
            workshop.environ, source=source, environment=environment, scratch=scratch, room=room, epoch=workshop.epoch
        )
        return cls(
            source=source,
            room=room,
            log=scratch / f"{step}.log",
            python=python,
            environ=environ,
            needs=(workshop.environ.get("PATH", ""), os.path.realpath(python), *map(str, workshop.visible)),
            step=step,
            sandbox=sandbox,
        )

    def call(self) -> Any:
        """Run the hook in the sandbox and return its answer."""
        answer = self.room / "answer.json"
        words = (self.step, self.source, self.python, self.room / "output", answer)
        command = [sys.executable, "-I", "-c", _BOOT, "\n".join(lent()), *map(str, words)]
        # Opened once and for all: by its name, it could be another file after the build.
        self.log.unlink(missing_ok=True)
        with self.log.open("x+b") as log:
            status = self.sandbox.run(
                command,
                folder=self.source,
                environ=self.environ,
                writable=[self.source, self.room],
                stage=self.room / "dev",
                log=log,
                needs=self.needs,
            )
            if status == NO_SANDBOX:
                raise failed(self.source.name, self.step, status, log, "the sandbox could not be made")
            told = _read(answer)
            if told.get("missing"):
                reason = shown(str(told.get("reason", "")))
                raise HookMissingError(
                    f"{self.source.name} could not be built: {reason}", package=self.source.name, step=self.step
                )
            if status or "value" not in told:
                raise failed(
                    self.source.name, self.step, told.get("status") or status, log, str(told.get("reason", ""))
                )
        return told["value"]

    def error(self, reason: str) -> BuildError:
        text = f"{self.source.name} could not be built: {shown(reason)}"
        return BuildError(text, package=self.source.name, step=self.step)


def _is_requirement(text: object) -> bool:
    # A line break could hide in a URL, and these texts become lines of a file.
    if not isinstance(text, str) or not text.isprintable():
        return False
    try:
        Requirement(text)
    except InvalidRequirement:
        return False
    return True


def _read(answer: Path) -> dict[str, Any]:
    """Return the answer, or nothing where the build has left none that is one."""
    try:
        facts = answer.lstat()
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > _ANSWER_LIMIT:
            return {}
        told = json.loads(answer.read_bytes())
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _toolchain(bench: _Bench) -> str:
    """Return Python and compiler in one line; asked before the build, which must not have a say in it."""
    try:
        said = process.run([bench.python, "-I", "-S", "-c", _TOOLCHAIN], cwd=bench.room, environ=bench.environ)
    except ProcessError as error:
        raise bench.error(f"the environment's Python does not answer: {error.reason}") from error
    python, compiler = said.stdout.splitlines()[:2]
    words = shlex.split(bench.environ.get("CC") or compiler or "cc")
    # Not searched for by the operating system's call, which looks along our own PATH.
    program = shutil.which(words[0], path=bench.environ["PATH"])
    if program is None:
        return f"{python}; no compiler"
    try:
        version = process.run([program, *words[1:], "--version"], cwd=bench.room, environ=bench.environ)
    except ProcessError:
        return f"{python}; no compiler"
    return f"{python}; {shown(version.stdout).splitlines()[0] if version.stdout.strip() else words[0]}"
