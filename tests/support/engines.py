"""The engines of `install` on this machine, for tests that run once with each."""

from pathlib import Path

import pytest

from lockhouse.engines import Engine, choose
from lockhouse.errors import LockhouseError
from support.environment import clean_environ

BOTH = ("pip", "uv")


def require_engine(name: str, home: Path) -> Engine:
    """Return pip or uv as `install` finds it, or skip the test where there is none."""
    try:
        return choose(name, clean_environ(home))
    except LockhouseError as error:
        pytest.skip(error.reason)
