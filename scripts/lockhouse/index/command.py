"""The command that runs pip-compile with our repository, in an interpreter that reads nothing of its user's."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import lockhouse
from lockhouse.config import Config
from lockhouse.index.settings import pip_environment

# An isolated interpreter finds our package by the path that it is given, and by no other way.
_BOOT = "import sys; sys.path.insert(0, sys.argv.pop(1)); from lockhouse.index.compile import main; sys.exit(main(sys.argv[1:]))"


@dataclass(frozen=True, slots=True)
class _Compiler:
    config: Config
    environ: Mapping[str, str]

    def argv(
        self, expected: Sequence[str], answer: Path, given: Mapping[str, Sequence[tuple[str, str]]]
    ) -> tuple[str, ...]:
        """Return the command that pip-compile's own arguments follow."""
        settings = {
            "index-for": self.config.index_for,
            "connections": self.config.connections,
            "expected": list(expected),
            "answer": str(answer),
            "given": given,
        }
        home = Path(lockhouse.__file__).parent.parent
        return (sys.executable, "-I", "-c", _BOOT, str(home), json.dumps(settings))


def compiler(config: Config, environ: Mapping[str, str]) -> _Compiler:
    """Return how pip-compile reaches the indexes as the user configured pip to. Raises ConfigError."""
    return _Compiler(config, pip_environment(environ))
