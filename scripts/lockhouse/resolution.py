"""One run of pip-compile for one layer: its command line, its lock put in place, and what it said where it failed."""

import json
import re
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from packaging.utils import NormalizedName

from lockhouse import files, process
from lockhouse.config import Config
from lockhouse.errors import LockhouseError, ProcessError
from lockhouse.layers import LoadedLayer
from lockhouse.redact import redact_error

_RAISED = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Z]\w*: ([^<].*)")
_WEAK = re.compile(rb"(?:\\\r?\n|[ \t])+--hash[= ](?:md5|sha1|sha224):[0-9A-Fa-f]+")
_INCLUDES = re.compile(rb"^[ \t]*(?:-[rc]|--requirement|--constraint)\b.*$", re.MULTILINE)
_OURS = "lockhouse: "
_NOTE = "lockhouse-note: "
_SAID_AT_MOST = 15
_NO_UPLOAD_TIMES = (
    "take `cooldown-days` out of [tool.lockhouse], or lock from an index that states upload times (PEP 700)"
)


class Compiler(Protocol):
    """How pip-compile is reached: the environment it runs in, and the command that its own arguments follow."""

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment variables, pip's connection settings among them and nothing else of pip's."""

    def argv(
        self, expected: Sequence[str], answer: Path, given: Mapping[str, Sequence[tuple[str, str]]]
    ) -> tuple[str, ...]:
        """Return the command; `expected` are projects that will surely be asked for, `answer` a file to write.

        `given` has, for each source that is a pyproject.toml, the requirements and what each comes from.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a run told beside the lock: indexes asked and the index of each pin, without credentials, and notes.

    `offered` are the names of all files that the indexes have of each pin's version.
    """

    asked: tuple[str, ...]
    origins: Mapping[NormalizedName, str]
    offered: Mapping[NormalizedName, Sequence[str]]
    notes: tuple[str, ...]


def run(
    layer: LoadedLayer, config: Config, compiler: Compiler, *, upgrade: Sequence[str], now: datetime | None = None
) -> Answer:
    """Compile a layer's sources and replace its lock, in one step and only on success.

    `upgrade` holds pip-compile's own options for what may move. Raises ProcessError where pip-compile fails, and
    LockhouseError where it writes no lock.
    """
    final = config.root / layer.layer.lock
    with tempfile.TemporaryDirectory(prefix="lockhouse-") as folder:
        # pip-compile keeps the pins of the file that it writes to: it is given a copy, without the hashes that pip
        # refuses to read, and without other files that a requirements file named before it became a lock.
        output, answer = Path(folder) / final.name, Path(folder) / "answer.json"
        if final.exists():
            output.write_bytes(_INCLUDES.sub(b"", _WEAK.sub(b"", final.read_bytes())))
        options = [
            *("--quiet", "--no-config", "--allow-unsafe", "--generate-hashes", "--no-strip-extras"),
            *("--no-emit-index-url", "--no-emit-trusted-host", "--no-emit-find-links"),
            # What a cache has is not believed, so it need not be there.
            f"--cache-dir={Path(folder) / 'cache'}",
            f"--output-file={output}",
            *(f"--find-links={place}" for place in config.find_links),
            *(f"--constraint={path}" for path in layer.layer.constraints if (config.root / path).exists()),
            *_cooldown(config, now or datetime.now(UTC)),
            *upgrade,
        ]
        environ = {**compiler.environ, "CUSTOM_COMPILE_COMMAND": header_command(layer)}
        sources = [source.as_posix() for source in layer.layer.sources]
        command = compiler.argv(_expected(layer), answer, _given(layer))
        try:
            done = process.run([*command, *options, *sources], cwd=config.root, environ=environ)
        except ProcessError as error:
            raise ProcessError(
                f"pip-compile could not lock {layer.name!r}, and {layer.layer.lock} stays as it was:\n{_said(error.stderr)}",
                argv=error.argv,
                returncode=error.returncode,
                stdout=error.stdout,
                stderr=error.stderr,
                hint=_NO_UPLOAD_TIMES if config.cooldown_days and "upload-time" in error.stderr else None,
            ) from error
        if not output.is_file() or not output.stat().st_size:
            raise LockhouseError(f"pip-compile wrote no lock for {layer.name!r}")
        told = json.loads(answer.read_bytes())
        final.parent.mkdir(parents=True, exist_ok=True)
        files.write_atomically(final, output.read_bytes())
    notes = (line.removeprefix(_NOTE) for line in done.stderr.splitlines() if line.startswith(_NOTE))
    return Answer(asked=tuple(told["asked"]), origins=told["origins"], offered=told["offered"], notes=tuple(notes))


def _expected(layer: LoadedLayer) -> list[str]:
    """Return the projects that the indexes will surely be asked about; what is had by URL is none of their business."""
    pins = layer.lock.pins if layer.lock else ()
    named = [(line.name, line.url) for line in layer.requirements] + [(pin.name, pin.url) for pin in pins]
    return sorted({name for name, _ in named} - {name for name, url in named if url is not None})


def _cooldown(config: Config, now: datetime) -> list[str]:
    if config.cooldown_days is None:
        return []
    return [f"--uploaded-prior-to={(now - timedelta(days=config.cooldown_days)).isoformat(timespec='seconds')}"]


def _given(layer: LoadedLayer) -> dict[str, Sequence[tuple[str, str]]]:
    """Return what is asked for by each source that is a pyproject.toml; pip-compile itself knows no group."""
    tables = {path.as_posix() for path in (each.path for each in layer.layer.tables)}
    trees = zip(layer.layer.sources, layer.sources, strict=False)
    return {path.as_posix(): tree.given for path, tree in trees if path.as_posix() in tables}


def header_command(layer: LoadedLayer) -> str:
    """Return the command that stands in the layer's lock: one that plain pip-compile and update bots accept.

    They know no constraints beside a source, and where they could read a source only in part, it is our own command.
    """
    tables = layer.layer.tables
    extras = {each.extras for each in tables}
    if any(each.group for each in tables) or len(extras) > 1 or len(tables) != len({each.path for each in tables}):
        return shlex.join(["lockhouse", "lock", layer.name])
    options = (
        "--allow-unsafe",
        *(f"--extra={extra}" for each in extras for extra in each),
        "--generate-hashes",
        "--no-emit-index-url",
        f"--output-file={layer.layer.lock}",
    )
    return shlex.join(["pip-compile", *options, *(source.as_posix() for source in layer.layer.sources)])


def _said(stderr: str) -> str:
    """Return what is worth reading of a failed pip-compile: what our part of it says, else the end of it all."""
    lines = stderr.splitlines()
    told = [line.removeprefix(_OURS) for line in lines if line.startswith(_OURS)]
    if not told:
        # Of a traceback, the last line that says more than the error's name.
        raised = [match[1] for match in map(_RAISED.match, lines) if match]
        told = raised[-1:] or [line for line in lines if line.strip()]
    return "\n".join(f"  {line}" for line in list(dict.fromkeys(map(redact_error, told)))[-_SAID_AT_MOST:])
