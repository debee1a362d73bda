"""Frozen, slotted dataclasses that are quick to define.

The standard decorator compiles six methods and more for each class, at each start, which made up a fifth of a command
that only judges locks. This one compiles `__init__`; the other methods are shared code. It refuses default factories.
"""

import dataclasses
import functools
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Literal, NoReturn, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(field_specifiers=(dataclasses.field,))
def dataclass(
    *, frozen: Literal[True], slots: Literal[True], kw_only: bool = False, order: bool = False
) -> Callable[[type[T]], type[T]]:
    """Make a class a dataclass, as the decorator of the standard library does with the same arguments.

    >>> @dataclass(frozen=True, slots=True, order=True)
    ... class Point:
    ...     x: int
    ...     y: int = 0
    >>> Point(1), Point(1) == Point(1, 0), Point(1) < Point(1, 2)
    (Point(x=1, y=0), True, True)
    """
    assert frozen  # noqa: S101 - for the type checker, as the next: nothing else can be said
    assert slots  # noqa: S101
    return functools.partial(_made, kw_only=kw_only, order=order)


def _made(cls: type[T], *, kw_only: bool, order: bool) -> type[T]:
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True, kw_only=kw_only)(cls)
    fields = tuple(made.__dataclass_fields__.values())
    methods: list[Callable[..., Any]] = [
        _init(made, fields),
        _frozen_set,
        _frozen_delete,
        *_comparisons(fields, order=order),
        _repr(fields),
    ]
    for method in methods:
        name = method.__name__
        if name not in vars(made):
            setattr(made, name, method)
    return made  # type: ignore[no-any-return]


def _init(cls: type, fields: tuple["dataclasses.Field[Any]", ...]) -> Callable[..., None]:
    """Compile `__init__`; it is what every value runs through, so it has to be as quick as one written by hand."""
    given: dict[str, Any] = {"_set": object.__setattr__}
    positional, keywords = list[str](), list[str]()
    for each in fields:
        if each.default_factory is not dataclasses.MISSING:
            raise TypeError(f"{cls.__name__}.{each.name} has a default factory")
        if each.init:
            has_default = each.default is not dataclasses.MISSING
            (keywords if each.kw_only else positional).append(f"{each.name}=_{each.name}" if has_default else each.name)
            given |= {f"_{each.name}": each.default} if has_default else {}
    parameters = ["self", *positional, *(["*", *keywords] if keywords else [])]
    body = [f"_set(self, {each.name!r}, {each.name})" for each in fields if each.init]
    body += ["self.__post_init__()"] if hasattr(cls, "__post_init__") else []
    exec(f"def __init__({', '.join(parameters)}):\n " + "\n ".join(body or ["pass"]), given)  # noqa: S102 - our own names
    init: Callable[..., None] = given["__init__"]
    return init


def _comparisons(fields: tuple["dataclasses.Field[Any]", ...], *, order: bool) -> list[Callable[..., Any]]:
    names = [each.name for each in fields if each.compare]
    one = attrgetter(*names)
    key: Callable[[Any], Any] = one if len(names) > 1 else lambda self: (one(self),)

    def __eq__(self: Any, other: object) -> bool:  # noqa: N807 - these become a class's methods
        return bool(key(self) == key(other)) if other.__class__ is self.__class__ else NotImplemented

    def __hash__(self: Any) -> int:  # noqa: N807
        return hash(key(self))

    def __lt__(self: Any, other: object) -> bool:  # noqa: N807
        return bool(key(self) < key(other)) if other.__class__ is self.__class__ else NotImplemented

    def __le__(self: Any, other: object) -> bool:  # noqa: N807
        return bool(key(self) <= key(other)) if other.__class__ is self.__class__ else NotImplemented

    # Python asks the other side for > and >=.
    return [__eq__, __hash__, *([__lt__, __le__] if order else [])]


def _repr(fields: tuple["dataclasses.Field[Any]", ...]) -> Callable[[Any], str]:
    names = [each.name for each in fields if each.repr]

    def __repr__(self: Any) -> str:  # noqa: N807
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{self.__class__.__qualname__}({shown})"

    return __repr__


def _frozen_set(_self: object, name: str, _value: object) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _frozen_delete(_self: object, name: str) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


_frozen_set.__name__, _frozen_delete.__name__ = "__setattr__", "__delattr__"
