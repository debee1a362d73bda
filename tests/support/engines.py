"""The engines of `install` on this machine, for tests that run once with each."""

from pathlib import Path

import pytest

from lockhouse.engines import Engine, choose
from lockhouse.errors import LockhouseError
from support.environment import clean_environ

BOTH = ("pip", "uv")
# What takes long runs with whichever there is, and with each of them among the slow tests.
ANY = ("auto", *(pytest.param(name, marks=pytest.mark.slow) for name in BOTH))


def require_engine(name: str, home: Path) -> Engine:
    """Return pip, uv or either (`auto`) as `install` finds it, or skip the test where there is none."""
    try:
        return choose(name, clean_environ(home))
    except LockhouseError as error:
        pytest.skip(error.reason)
