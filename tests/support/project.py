"""A project in a folder of its own, and Lockhouse run on it as a user runs it."""

import contextlib
import io
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.archives import sha256

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@dataclass(frozen=True, slots=True, repr=False)
class Result:
    """How a command ended; as text it is everything that one wants to see when an assertion fails."""

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str

    def __str__(self) -> str:
        return f"{shlex.join(self.argv)}\nstatus: {self.status}\nstdout:\n{self.stdout}\nstderr:\n{self.stderr}"

    # pytest shows an assertion's message by its repr.
    __repr__ = __str__


class Project:
    """A folder, and the environment variables with which commands are run in it."""

    def __init__(self, root: Path, environ: dict[str, str]) -> None:
        self.root = root
        self.environ = environ
        root.mkdir(parents=True, exist_ok=True)

    def write(self, path: str, text: str | bytes) -> Path:
        """Write a file below the root, with the folders it needs, and return its path; newlines stay as given."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return file

    def read(self, path: str) -> str:
        """Return the text of a file below the root, newlines as they are."""
        return (self.root / path).read_bytes().decode()

    def tree(self, under: str = ".", *, ignore: Sequence[str] = ("__pycache__",)) -> dict[str, str]:
        """Return the sha256 of every file below a folder by its path from the root, for comparing before and after.

        A link is shown as `-> target` and an empty folder as `(empty)`; folders of the names in `ignore` are left out.
        """
        found: dict[str, str] = {}
        for folder, folders, files in os.walk(self.root / under):
            folders[:] = [name for name in folders if name not in ignore]
            for path in sorted(Path(folder, name) for name in [*folders, *files]):
                key = path.relative_to(self.root).as_posix()
                if path.is_symlink():
                    found[key] = f"-> {path.readlink()}"
                elif path.is_file():
                    found[key] = sha256(path)
                elif path.is_dir() and not any(path.iterdir()):
                    found[key] = "(empty)"
        return found

    def run(
        self,
        *argv: str | Path,
        env: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
        cwd: Path | None = None,
        timeout: float = 120,
    ) -> Result:
        """Run `python -m lockhouse` as a process of its own, in the root unless told.

        `env` is added to the project's variables; `prefix` goes before the command (`offline_prefix()`). Raises
        subprocess.TimeoutExpired after `timeout` seconds.
        """
        return self.execute(
            *prefix,
            sys.executable,
            "-m",
            "lockhouse",
            *argv,
            env=_with_scripts(self._with(env)),
            cwd=cwd,
            timeout=timeout,
        )

    def start(
        self,
        *argv: str | Path,
        env: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
        own_group: bool = False,
    ) -> subprocess.Popen[str]:
        """Start `python -m lockhouse` without waiting for it, to be killed or run beside another; output goes to pipes.

        `prefix` goes before the command. With `own_group` it leads a process group, which can be killed with all that it
        has started.
        """
        return subprocess.Popen(
            [*prefix, sys.executable, "-m", "lockhouse", *map(str, argv)],
            cwd=self.root,
            env=_with_scripts(self._with(env)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            start_new_session=own_group,
        )

    def execute(
        self, *argv: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None, timeout: float = 120
    ) -> Result:
        """Run any command in the root unless told, with the project's variables and `env` added."""
        command = tuple(map(str, argv))
        done = subprocess.run(
            command,
            cwd=cwd or self.root,
            env=self._with(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="backslashreplace",
            timeout=timeout,
            check=False,
        )
        return Result(command, done.returncode, done.stdout, done.stderr)

    def call(self, *argv: str | Path, env: Mapping[str, str] | None = None) -> Result:
        """Run the same command within this process, which is faster and can be debugged.

        For as long as it runs, this process's own variables are the project's, because pip reads them there.
        """
        # Here, so that tests of a single module do not load the whole command line.
        from lockhouse.cli import run

        environ, command = self._with(env), tuple(map(str, argv))
        stdout, stderr = io.StringIO(), io.StringIO()
        with _process_environ(environ):
            status = run(command, cwd=self.root, environ=environ, stdout=stdout, stderr=stderr)
        return Result(("lockhouse", *command), status, stdout.getvalue(), stderr.getvalue())

    def _with(self, env: Mapping[str, str] | None) -> dict[str, str]:
        return {**self.environ, **(env or {})}


def _with_scripts(environ: dict[str, str]) -> dict[str, str]:
    """Put the package where `-m` finds it, before what the environment's own PYTHONPATH holds."""
    paths = [str(SCRIPTS), *filter(None, [environ.get("PYTHONPATH")])]
    return environ | {"PYTHONPATH": os.pathsep.join(paths)}


@contextlib.contextmanager
def _process_environ(environ: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
