"""The lock of Lockhouse itself: `requirements/lockhouse.in` and `.txt`, from which the Make include makes its environment.

It is compiled like any other, for the Python that runs; it is no layer, and no wheel of it gets into the wheelhouse.
"""

from collections.abc import Mapping, Sequence

from lockhouse import layers, resolution
from lockhouse.config import TOOL, Config
from lockhouse.layers import LoadedLayer
from lockhouse.lock import Move, moves
from lockhouse.resolution import Compiler
from lockhouse.rules import Finding
from lockhouse.rules.freshness import freshness
from lockhouse.target import running


def read(config: Config, environ: Mapping[str, str]) -> LoadedLayer | None:
    """Return the pair as a layer, or None where there is no source. Raises RequirementsError."""
    return layers.load(TOOL, config, environ) if (config.root / TOOL.sources[0]).is_file() else None


def stale(tool: LoadedLayer) -> tuple[Finding, ...]:
    """Return why it has to be compiled; a lock that nobody has made yet is a reason, too."""
    return tuple(freshness(tool, running()))


def compiled(
    tool: LoadedLayer, config: Config, environ: Mapping[str, str], compiler: Compiler, *, upgrade: Sequence[str] = ()
) -> tuple[Move, ...]:
    """Compile it, with pip-compile's own options for what may move; return what moved. Raises LockhouseError."""
    answer = resolution.run(tool, config, compiler, upgrade=upgrade)
    return moves(tool, layers.load(TOOL, config, environ), answer.origins)
