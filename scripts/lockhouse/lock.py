"""The step `lock`: recompile the layers whose lock no longer satisfies its sources, bases first, by pip-compile.

A lock is replaced only when the new one is whole. Refuses to lock for another Python than the one that runs: the answer
would be for the wrong one.
"""

import re
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from lockhouse import files, process, project
from lockhouse.config import nearest
from lockhouse.errors import LockhouseError, ProcessError, UsageError
from lockhouse.project import LoadedLayer, Project
from lockhouse.redact import redact
from lockhouse.rules import Finding
from lockhouse.rules.freshness import freshness
from lockhouse.rules.locks import disagreements, lock_findings
from lockhouse.target import Target, running

# What pip-compile mends by compiling again, beside staleness itself.
_MENDABLE = {"pin-loose", "pin-unhashed", "pin-weak-hash"}
# pip's log goes where its errors go, never to a disk: the URLs in it may be signed.
_LOG = Path("/dev/stderr")
_LOGGED = re.compile(r"\d{4}-\d\d-\d\dT[\d:,]+ (.*)")
_RAISED = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Z]\w*: ([^<].*)")
_QUERY = re.compile(r"\?(?!\*)[^\s'\")]+")
_WEAK = re.compile(rb"(?:\\\r?\n|[ \t])+--hash[= ](?:md5|sha1|sha224):[0-9A-Fa-f]+")
_SAID_AT_MOST = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """What may move: everything (`all`), or the named projects; nothing more than must where both are empty."""

    all: bool = False
    names: tuple[NormalizedName, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A project whose pin changed: None stands for "was not there" and "is gone"."""

    name: NormalizedName
    before: Version | None
    after: Version | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A layer that was recompiled, what moved in its lock, and the indexes that pip named, without credentials."""

    layer: str
    moves: tuple[Move, ...]
    asked: tuple[str, ...]


def stale_layers(current: Project, layers: Sequence[LoadedLayer], target: Target) -> dict[str, tuple[Finding, ...]]:
    """Return the layers that must be recompiled, in order, with the reasons."""
    differing = list(disagreements(current, target))
    reasons: dict[str, tuple[Finding, ...]] = {}
    for layer in layers:
        found = list(freshness(layer, target))
        if layer.lock and layer.sources:
            found.extend(each for each in lock_findings(layer.lock, target) if each.rule in _MENDABLE)
            # The later layer yields: its bases are the ones it must agree with.
            found.extend(
                each.finding
                for each in differing
                if each.finding.where.path == layer.layer.lock and layer.bases and not found
            )
        if found and layer.sources:
            reasons[layer.name] = tuple(found)
    return reasons


def lock(
    current: Project,
    layers: Sequence[LoadedLayer],
    *,
    target: Target,
    environ: Mapping[str, str],
    upgrade: Upgrade,
    connect: Callable[[], Mapping[str, str]],
    starting: Callable[[str, tuple[Finding, ...]], None],
) -> Iterator[Compiled]:
    """Recompile what must be, one layer after the other, and yield each as it is done.

    `connect` gives the environment in which pip-compile reaches the indexes, and is called only if something must be
    resolved; `starting` hears of each layer before it is compiled, and why. Raises UsageError for an upgrade of
    something that no layer pins, ProcessError where pip-compile fails.
    """
    _refuse_unknown(layers, upgrade)
    names = [layer.name for layer in layers]
    connection: Mapping[str, str] | None = None
    for name in names:
        layer = project.reread(current, name, environ)
        current = current.replaced(layer)
        reasons = stale_layers(current, [layer], target).get(name, ())
        if not layer.sources or not (reasons or _concerns(upgrade, layer)):
            continue
        if target.series != running().series:
            raise LockhouseError(
                f"the target has Python {target.series}, and Lockhouse runs on {running().series}: "
                "the lock would be for the wrong one",
                hint=f"run Lockhouse with Python {target.series}",
            )
        starting(name, reasons)
        if connection is None:
            connection = connect()
        asked = _compile(layer, current, upgrade, connection)
        after = project.reread(current, name, environ)
        current = current.replaced(after)
        yield Compiled(layer=name, moves=moves(layer, after), asked=asked)


def moves(before: LoadedLayer, after: LoadedLayer) -> tuple[Move, ...]:
    """Return what changed between two states of a layer's lock, by name."""
    old, new = _versions(before), _versions(after)
    return tuple(
        Move(name=name, before=old.get(name), after=new.get(name))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    )


def header_command(layer: LoadedLayer) -> str:
    """Return the command that stands in the layer's lock: one that plain pip-compile and update bots accept."""
    options = ("--allow-unsafe", "--generate-hashes", "--no-emit-index-url", f"--output-file={layer.layer.lock}")
    return shlex.join(["pip-compile", *options, *(source.as_posix() for source in layer.layer.sources)])


def _versions(layer: LoadedLayer) -> dict[NormalizedName, Version | None]:
    return {pin.name: pin.version for pin in layer.lock.pins} if layer.lock else {}


def _concerns(upgrade: Upgrade, layer: LoadedLayer) -> bool:
    return upgrade.all or not _versions(layer).keys().isdisjoint(upgrade.names)


def _refuse_unknown(layers: Sequence[LoadedLayer], upgrade: Upgrade) -> None:
    pinned = {name for layer in layers for name in _versions(layer)}
    for name in upgrade.names:
        if name not in pinned:
            raise UsageError(f"no lock pins {name}", hint=nearest(name, pinned, "the locks pin"))


def _compile(layer: LoadedLayer, current: Project, upgrade: Upgrade, connection: Mapping[str, str]) -> tuple[str, ...]:
    root = current.config.root
    final = root / layer.layer.lock
    with tempfile.TemporaryDirectory(prefix="lockhouse-") as folder:
        # pip-compile keeps the pins of the file that it writes to: it is given a copy, without the hashes that pip
        # refuses to read.
        output = Path(folder) / final.name
        if final.exists():
            output.write_bytes(_WEAK.sub(b"", final.read_bytes()))
        options = [
            *("--quiet", "--no-config", "--allow-unsafe", "--generate-hashes", "--no-strip-extras"),
            *("--no-emit-index-url", "--no-emit-trusted-host", "--no-emit-find-links"),
            f"--output-file={output}",
            *(f"--find-links={place}" for place in current.config.find_links),
            *(["--upgrade"] if upgrade.all else []),
            *(f"--upgrade-package={name}" for name in upgrade.names if name in _versions(layer)),
        ]
        environ = {**connection, "CUSTOM_COMPILE_COMMAND": header_command(layer)}
        if _LOG.exists():
            environ["PIP_LOG"] = str(_LOG)
        sources = [source.as_posix() for source in layer.layer.sources]
        try:
            done = process.run(
                [sys.executable, "-I", "-m", "piptools", "compile", *options, *sources], cwd=root, environ=environ
            )
        except ProcessError as error:
            raise ProcessError(
                f"pip-compile could not lock {layer.name!r}, and {layer.layer.lock} stays as it was:\n{_said(error.stderr)}",
                argv=error.argv,
                returncode=error.returncode,
                stdout=error.stdout,
                stderr=error.stderr,
            ) from error
        if not output.is_file() or not output.stat().st_size:
            raise LockhouseError(f"pip-compile wrote no lock for {layer.name!r}")
        files.write_atomically(final, output.read_bytes())
    return _asked(done.stderr)


def _asked(stderr: str) -> tuple[str, ...]:
    logged = (match[1].strip() for match in map(_LOGGED.match, stderr.splitlines()) if match)
    named = (line.partition(": ")[2].split(", ") for line in logged if line.startswith("Looking in indexes: "))
    return tuple(dict.fromkeys(redact(url) for urls in named for url in urls))


def _said(stderr: str) -> str:
    """Return what is worth reading of a failed pip-compile: what its log says went wrong, not the traceback."""
    told: list[str] = []
    raised = doing = ""
    conflict = False
    for line in stderr.splitlines():
        match = _LOGGED.match(line)
        if not match:
            # Of a traceback, the last line that says more than the error's name.
            end = _RAISED.match(line)
            raised = end[1] if end else raised
            continue
        text = match[1].strip()
        doing = text if text.startswith("Collecting ") else doing
        conflict = (conflict or text.startswith("The conflict is caused by")) and not text.startswith("To fix this")
        failed = text.startswith("Could not fetch URL") and ": 404 " not in text
        if text and (conflict or failed or text.startswith(("ERROR: ", "WARNING: "))):
            told.append(text.removeprefix("ERROR: "))
    if not told and doing:
        told.append(f"{doing}:")
    told.append(raised or " ".join(stderr.split())[-200:])
    return "\n".join(f"  {line}" for line in list(dict.fromkeys(map(_masked, told)))[-_SAID_AT_MOST:])


def _masked(text: str) -> str:
    # urllib3 shows the path of a URL without its host, and the query with it.
    return _QUERY.sub("?****", redact(text))


def parse_names(words: Sequence[str]) -> tuple[NormalizedName, ...]:
    """Read project names of a command line; raises UsageError for what is none."""
    names = []
    for word in words:
        try:
            names.append(canonicalize_name(word, validate=True))
        except ValueError as error:
            raise UsageError(
                f"{word!r} is not a project's name", hint="name the project alone, without a version"
            ) from error
    return tuple(names)
