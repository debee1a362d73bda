"""One altered byte anywhere in thirty wheels, a cut or an appended byte: `check` names that file, and no other."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from lockhouse import config, project
from lockhouse.inspection import required_and_allowed
from lockhouse.plan import match
from lockhouse.rules.wheels import wheel_findings
from lockhouse.target import running
from lockhouse.wheelhouse import Wheelhouse
from support import worlds
from support.environment import clean_environ
from support.locks import write_layer_of
from support.project import Project
from support.wheels import build_wheel
from support.worlds import HOUSE

SEED = 20_231
Spoil = Callable[[random.Random, bytes], bytes]


def _flip(chance: random.Random, data: bytes) -> bytes:
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ chance.randint(1, 255)]) + data[at + 1 :]


def _cut(chance: random.Random, data: bytes) -> bytes:
    return data[: chance.randrange(len(data))]


def _append(chance: random.Random, data: bytes) -> bytes:
    return data + chance.randbytes(chance.randint(1, 100))


SPOILS: tuple[Spoil, ...] = (_flip, _flip, _flip, _cut, _append)


@pytest.fixture(scope="module")
def housed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("flips")
    made = Project(folder / "project", clean_environ(folder))
    sizes = random.Random(SEED)
    wheels = [build_wheel(made.root / HOUSE, f"p{n}", "1.0", size=sizes.randrange(3000)) for n in range(30)]
    write_layer_of(made, *wheels)
    assert made.call("check", "--strict").status == 0
    return made


def judged(made: Project) -> Callable[[], list[tuple[str, str]]]:
    """Return what inventories the wheelhouse and judges it against the locks, as `check` does."""
    target, read = running(), project.read(config.load(made.root), {})
    required, allowed = required_and_allowed(read, read.named([]), target)
    house = Wheelhouse(made.root / HOUSE)

    def judge() -> list[tuple[str, str]]:
        inventory = house.inventory()
        found = match(required, allowed, inventory, target)
        return worlds.said(wheel_findings(found, inventory, target, Path(HOUSE)))

    return judge


def spoilt(made: Project, number: int, ask: Callable[[], list[tuple[str, str]]]) -> tuple[str, list[tuple[str, str]]]:
    """Spoil one wheel as the number says, ask, and mend it; return its name and the answer."""
    chance = random.Random(f"{SEED} {number}")
    wheel = chance.choice(sorted((made.root / HOUSE).glob("*.whl")))
    sound = wheel.read_bytes()
    wheel.write_bytes(chance.choice(SPOILS)(chance, sound))
    try:
        return wheel.name, ask()
    finally:
        wheel.write_bytes(sound)


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_every_altered_wheel_is_found_and_no_other(count: int, housed: Project):
    ask = judged(housed)
    assert ask() == []
    for number in range(count):
        name, found = spoilt(housed, number, ask)
        assert found == [("hash-mismatch", f"{HOUSE}/{name}")], f"case {number} of seed {SEED}"
    assert ask() == []


@pytest.mark.parametrize("count", [3, pytest.param(30, marks=pytest.mark.slow)])
def test_the_command_says_the_same(count: int, housed: Project):
    for number in range(count):
        result = None

        def ask() -> list[tuple[str, str]]:
            nonlocal result
            result = housed.call("check")
            return worlds.printed(result.stdout)

        name, found = spoilt(housed, number, ask)
        assert found == [("hash-mismatch", f"{HOUSE}/{name}")], f"case {number} of seed {SEED}: {result}"
        assert result is not None
        assert result.status == 1
    assert housed.call("check").status == 0
