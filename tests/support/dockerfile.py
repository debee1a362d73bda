"""A Dockerfile, read, and its steps taken in a folder that stands for the image, without Docker.

Each stage's files lie below one and the same root, since an environment holds absolute paths; `RUN --network=none` has no
network where the system can cut it off. Refuses instructions that Docker does not know, and those that no page needs.
"""

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from support.offline import offline_obstacle, offline_prefix
from support.project import Project, Result

_KNOWN = frozenset(
    [
        "ADD",
        "ARG",
        "CMD",
        "COPY",
        "ENTRYPOINT",
        "ENV",
        "EXPOSE",
        "FROM",
        "HEALTHCHECK",
        "LABEL",
        "ONBUILD",
        "RUN",
        "SHELL",
        "STOPSIGNAL",
        "USER",
        "VOLUME",
        "WORKDIR",
    ]
)
# A path of the image, in a command or a variable.
_ABSOLUTE = re.compile(r"(?<![\w./$~-])/(?=(?:app|etc|opt)\b)")


@dataclass(frozen=True, slots=True)
class Instruction:
    """A keyword, its `--flags` and the rest of the line."""

    keyword: str
    flags: tuple[str, ...]
    rest: str


def parse(text: str) -> list[Instruction]:
    """Return the instructions; raises ValueError for what Docker does not know.

    >>> parse("RUN --network=none make \\\\\\n  install\\n")
    [Instruction(keyword='RUN', flags=('--network=none',), rest='make install')]
    """
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    found = []
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        keyword, _, rest = line.partition(" ")
        if keyword not in _KNOWN:
            raise ValueError(f"Docker knows no {keyword!r}")
        flags = []
        while match := re.match(r"(--\w+=\S+)\s+", rest):
            flags.append(match[1])
            rest = rest[match.end() :]
        found.append(Instruction(keyword, tuple(flags), rest))
    if not found or found[0].keyword != "FROM":
        raise ValueError("a Dockerfile begins with FROM")
    return found


@dataclass(slots=True)
class Image:
    """An image in the making: `root` has the files of the stage at hand, `done` those of finished ones, by name.

    `context` is the project with what `COPY` takes; its variables, with `path`, are those of the base image.
    """

    context: Project
    root: Path
    done: Path
    path: str
    ran: list[Result] = field(default_factory=list)
    _stage: str = ""
    _env: dict[str, str] = field(default_factory=dict)
    _envs: dict[str, dict[str, str]] = field(default_factory=dict)
    _folder: Path = Path()

    def build(self, instructions: Sequence[Instruction]) -> Result:
        """Take all steps and return how the last stage's CMD ended. Raises AssertionError where a step fails."""
        command = ""
        for each in instructions:
            match each.keyword:
                case "FROM":
                    self._from(each.rest)
                case "COPY":
                    self._copy(each)
                case "WORKDIR":
                    self._folder = self._inside(each.rest)
                    self._folder.mkdir(parents=True, exist_ok=True)
                case "ENV":
                    name, _, value = each.rest.partition("=")
                    self._env[name] = self._mapped(value).replace("$PATH", self._env["PATH"])
                case "RUN":
                    offline = "--network=none" in each.flags and offline_obstacle() is None
                    self.ran.append(
                        self._run(["sh", "-ec", self._mapped(each.rest)], offline_prefix() if offline else ())
                    )
                case "CMD":
                    command = each.rest
                case other:
                    raise NotImplementedError(other)
        return self._run(json.loads(command))

    def _from(self, rest: str) -> None:
        base, _, name = rest.partition(" AS ")
        if self._stage:
            shutil.copytree(self.root, self.done / self._stage, symlinks=True)
            self._envs[self._stage] = self._env
        shutil.rmtree(self.root, ignore_errors=True)
        if base in self._envs:
            shutil.copytree(self.done / base, self.root, symlinks=True)
        else:
            self.root.mkdir()
        self._env = dict(self._envs.get(base, {"PATH": self.path}))
        self._folder, self._stage = self.root, name

    def _copy(self, each: Instruction) -> None:
        *sources, goal = each.rest.split()
        [stage] = [flag.removeprefix("--from=") for flag in each.flags] or [""]
        ignored = (self.context.root / ".dockerignore").read_text(encoding="utf-8").split()
        for source in sources:
            path = self.done / stage / source.lstrip("/") if stage else self.context.root / source
            if path.is_dir():
                skipped = shutil.ignore_patterns(*([] if stage else ignored))
                shutil.copytree(path, self._inside(goal), symlinks=True, dirs_exist_ok=True, ignore=skipped)
            else:
                folder = self._inside(goal)
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, folder)

    def _run(self, argv: Sequence[str], prefix: Sequence[str] = ()) -> Result:
        done = self.context.execute(*prefix, *argv, env=self._env, cwd=self._folder)
        assert done.status == 0, done
        return done

    def _inside(self, path: str) -> Path:
        return self.root / path.lstrip("/") if path.startswith("/") else self._folder / path

    def _mapped(self, text: str) -> str:
        return _ABSOLUTE.sub(f"{self.root}/", text)
