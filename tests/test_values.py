"""Quick dataclasses are what the standard ones are: same arguments, same answers, same refusals."""

import dataclasses
import doctest
from dataclasses import FrozenInstanceError, field, fields, replace
from typing import Any

import pytest

from lockhouse import values as module
from lockhouse.digest import Digest
from lockhouse.values import dataclass


def defined(decorator: Any, **arguments: Any) -> Any:
    @decorator(frozen=True, slots=True, **arguments)
    class Point:
        """A point."""

        x: int
        secret: str = field(default="", repr=False)
        note: str = field(default="n", compare=False)
        seen: int = field(init=False, repr=False, compare=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "seen", self.x * 2)

    return Point


@pytest.mark.parametrize("arguments", [{}, {"kw_only": True}, {"order": True}, {"kw_only": True, "order": True}])
def test_it_answers_as_the_standard_one_does(arguments: dict[str, bool]):
    answers = []
    for kind in (defined(dataclasses.dataclass, **arguments), defined(dataclass, **arguments)):
        one, same, other = kind(x=1, secret="s"), kind(x=1, secret="s", note="else"), kind(x=2)
        outcomes: list[object] = [
            repr(one), one == same, one != other, one == 1, hash(one) == hash(same), len({one, same, other}), one.seen,
            replace(one, x=3), [each.name for each in fields(one)], kind.__match_args__, kind.__slots__, kind.__doc__,
        ]  # fmt: skip
        for attempt in (
            lambda one=one, other=other: (one < other, one <= other, one > other, one >= other),
            lambda one=one: one < 1,
            lambda one=one: setattr(one, "x", 5),
            lambda one=one: delattr(one, "x"),
            lambda kind=kind: kind(),
            lambda kind=kind: kind(1),
            lambda kind=kind: kind(x=1, seen=2),
        ):
            try:
                outcomes.append(attempt())
            except (TypeError, AttributeError) as error:
                outcomes.append(type(error))
        answers.append([str(outcome) for outcome in outcomes])
    assert answers[0] == answers[1]


def test_a_class_of_one_field_and_one_of_its_own_methods():
    @dataclass(frozen=True, slots=True)
    class One:
        a: str

        def __repr__(self) -> str:
            return "own"

    assert One("x") == One("x") != One("y")
    assert hash(One("x")) == hash(("x",))
    assert repr(One("x")) == "own"


def test_values_of_two_classes_are_never_equal():
    first, second = defined(dataclass), defined(dataclass)
    assert first(x=1) != second(x=1)


def test_ours_cannot_be_changed():
    digest = Digest("sha256", "0" * 64)
    with pytest.raises(FrozenInstanceError):
        digest.hex = "1"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        object.__setattr__(digest, "more", 1)


def test_a_default_factory_is_refused():
    with pytest.raises(TypeError, match="default factory"):

        @dataclass(frozen=True, slots=True)
        class _Bad:
            a: list[int] = field(default_factory=list)


def test_doctests():
    assert doctest.testmod(module) == (0, 2)
