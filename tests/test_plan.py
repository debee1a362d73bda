"""Planning: what is needed, what answers it, what is offered, and why nothing is."""

from collections.abc import Sequence
from pathlib import Path, PurePath

import pytest
from packaging.tags import parse_tag
from packaging.version import Version

from lockhouse.digest import Digest
from lockhouse.filenames import WheelName
from lockhouse.plan import Need, match, needs, offers, why_none
from lockhouse.requirements import Pin, RequirementLine, parse, pin_of
from lockhouse.source import Candidate, Listing
from lockhouse.target import Target
from lockhouse.wheelhouse import Inventory, StoredWheel
from support import worlds
from support.worlds import made_up

# Best first, as an interpreter lists them.
TAGS = ("cp311-cp311-linux_x86_64", "cp311-abi3-linux_x86_64", "py3-none-any")
TARGET = Target(
    interpreter=Path("python"),
    tags=tuple(tag for text in TAGS for tag in parse_tag(text)),
    markers=worlds.on("3.11").markers,
)


def hashed(name: str, algorithm: str = "sha256") -> Digest:
    return Digest.parse(made_up(name, algorithm))


def pin(line: str, *hashes: str, path: str = "main.txt") -> Pin:
    text = f"{line} " + " ".join(f"--hash={made_up(name)}" for name in hashes)
    [found] = parse(text.encode(), PurePath(path), environ={}).lines
    assert isinstance(found, RequirementLine)
    read = pin_of(found)
    assert read
    return read


def need(line: str, *hashes: str) -> Need:
    [found] = needs([[pin(line, *hashes)]], TARGET)
    return found


def stored(filename: str, *hashes: str) -> StoredWheel:
    digests = tuple(hashed(name) for name in hashes or (filename,))
    return StoredWheel(wheel=WheelName.parse(filename), size=1, digests=digests)


def house(*wheels: StoredWheel) -> Inventory:
    return Inventory(present=True, wheels=tuple(sorted(wheels, key=lambda each: each.filename)), strays=())


def candidate(filename: str, *hashes: str, python: str | None = None) -> Candidate:
    return Candidate(
        filename=filename,
        digests=tuple(hashed(name) for name in hashes),
        requires_python=python,
        size=None,
        origin="https://pkgs.example.com/simple/",
        handle=object(),
    )


def names(found: Sequence[tuple[WheelName, Candidate]]) -> list[str]:
    return [wheel.filename for wheel, _ in found]


# What is needed


def test_hashes_of_one_environment_are_intersected():
    [found] = needs([[pin("a==1", "x", "y"), pin("a==1", "y", "z", path="dev.txt")]], TARGET)
    assert found.hashes == {hashed("y")}
    assert [str(each.location) for each in found.pins] == ["main.txt:1", "dev.txt:1"]


def test_hashes_of_two_environments_are_not():
    first, second = needs([[pin("a==1", "x", "y")], [pin("a==1", "y", "z", path="dev.txt")]], TARGET)
    assert {first.hashes, second.hashes} == {
        frozenset({hashed("x"), hashed("y")}),
        frozenset({hashed("y"), hashed("z")}),
    }


def test_two_environments_with_one_lock_need_one_wheel():
    shared = pin("a==1", "x")
    [found] = needs([[shared], [shared, pin("a==1.0", "x", path="dev.txt")]], TARGET)
    assert [str(each.location) for each in found.pins] == ["main.txt:1", "dev.txt:1"]


def test_two_environments_may_need_two_versions():
    found = needs([[pin("a==1.10", "x")], [pin("a==1.9", "y")]], TARGET)
    assert {str(each.version) for each in found} == {"1.9", "1.10"}


def test_only_strong_hashes_count():
    weak = parse(f"a==1 --hash={made_up('x', 'md5')}\n".encode(), PurePath("main.txt"), environ={}).lines[0]
    assert isinstance(weak, RequirementLine)
    [found] = needs([[each] if (each := pin_of(weak)) else []], TARGET)
    assert found.hashes == frozenset()


def test_a_pin_for_another_target_needs_nothing():
    assert needs([[pin('a==1 ; sys_platform == "win32"', "x")]], TARGET) == ()


def test_needs_are_sorted_whatever_the_order_of_the_locks():
    pins = [pin("b==1", "x"), pin("a==2", "y"), pin("a==1", "z"), pin("a @ https://pkgs.example.com/a.zip", "w")]
    assert needs([pins], TARGET) == needs([pins[::-1]], TARGET)
    assert [each.name for each in needs([pins], TARGET)] == ["a", "a", "a", "b"]


def test_a_need_is_labelled_as_people_write_it():
    assert need("A.B==1.10", "x").label == "a-b==1.10"
    url = need("a @ https://me:secret@pkgs.example.com/a-1.zip", "x")
    assert url.label == "a @ URL"
    assert "secret" not in repr(url.pins)


def test_a_url_without_a_version_is_for_any_wheel_of_its_project():
    found = need("a @ https://pkgs.example.com/archive/main.zip", "x")
    assert found.version is None
    assert found.is_for(WheelName.parse("a-9-py3-none-any.whl"))
    assert not found.is_for(WheelName.parse("b-9-py3-none-any.whl"))


@pytest.mark.parametrize(
    ("filename", "fits"),
    [
        ("foo-1.1-py3-none-any.whl", True),
        ("Foo-1.1.0-py3-none-any.whl", True),
        ("foo-1.10-py3-none-any.whl", False),
        ("foo_bar-1.1-py3-none-any.whl", False),
        ("foo-1.1.post1-py3-none-any.whl", False),
        ("foo-1.1+local-py3-none-any.whl", False),
    ],
)
def test_a_need_is_for_its_project_and_version_alone(filename: str, fits: bool):
    assert need("foo==1.1", "x").is_for(WheelName.parse(filename)) is fits


# What is there


def test_a_locked_wheel_answers_and_others_are_spare():
    asked = need("a==1", "x")
    right, other = stored("a-1-py3-none-any.whl", "x"), stored("a-1-2-py3-none-any.whl", "y")
    found = match([asked], [asked], house(right, other), TARGET)
    assert (found.chosen, found.unmet, found.spare) == (((asked, right),), (), (other,))


def test_of_two_locked_wheels_the_better_tag_answers_then_the_higher_build():
    asked = need("a==1", "x", "y", "z")
    pure, native = stored("a-1-9-py3-none-any.whl", "x"), stored("a-1-cp311-cp311-linux_x86_64.whl", "y")
    rebuilt = stored("a-1-1-cp311-cp311-linux_x86_64.whl", "z")
    assert match([asked], [], house(pure, native), TARGET).chosen == ((asked, native),)
    assert match([asked], [], house(pure, native, rebuilt), TARGET).chosen == ((asked, rebuilt),)
    assert match([asked], [], house(pure, native, rebuilt), TARGET).spare == (pure, native)


@pytest.mark.parametrize(("low", "high"), [("", "0"), ("9", "10"), ("1a", "1b"), ("1", "1a")])
def test_build_tags_compare_as_in_pip(low: str, high: str):
    asked = need("a==1", "x", "y")
    lower = stored(f"a-1-{low}-py3-none-any.whl".replace("--", "-"), "x")
    higher = stored(f"a-1-{high}-py3-none-any.whl", "y")
    assert match([asked], [], house(lower, higher), TARGET).chosen == ((asked, higher),)


def test_a_wheel_answers_by_any_digest_it_is_locked_with():
    asked = need("a==1", "x")
    wheel = StoredWheel(wheel=WheelName.parse("a-1-py3-none-any.whl"), size=1, digests=(hashed("q"), hashed("x")))
    assert match([asked], [], house(wheel), TARGET).unmet == ()


@pytest.mark.parametrize(
    "wheel",
    [
        stored("a-1-py3-none-any.whl", "other"),
        stored("a-1-cp311-cp311-win_amd64.whl", "x"),
        stored("a-2-py3-none-any.whl", "x"),
        stored("a_b-1-py3-none-any.whl", "x"),
    ],
    ids=["bytes", "platform", "version", "project"],
)
def test_what_is_not_exactly_needed_is_no_answer(wheel: StoredWheel):
    asked = need("a==1", "x")
    found = match([asked], [asked], house(wheel), TARGET)
    assert (found.chosen, found.unmet, found.spare) == ((), (asked,), (wheel,))


def test_a_need_without_hashes_is_never_met():
    asked = need("a==1")
    assert match([asked], [], house(stored("a-1-py3-none-any.whl")), TARGET).unmet == (asked,)


def test_what_is_only_allowed_may_be_there_and_need_not():
    allowed, required = need("a==1", "x"), need("b==1", "y")
    wheel, other = stored("a-1-py3-none-any.whl", "x"), stored("b-1-py3-none-any.whl", "y")
    found = match([required], [allowed, required], house(wheel, other), TARGET)
    assert (found.chosen, found.unmet, found.spare) == (((required, other),), (), ())
    assert match([required], [allowed, required], house(other), TARGET).unmet == ()


def test_one_wheel_can_answer_two_needs():
    first, second = need("a==1", "x", "y"), need("a==1", "x")
    wheel = stored("a-1-py3-none-any.whl", "x")
    assert match([first, second], [], house(wheel), TARGET).chosen == ((first, wheel), (second, wheel))


# What is offered


def test_offers_come_best_first():
    asked = need("a==1", "x")
    found = offers(
        asked,
        [
            candidate("a-1-py3-none-any.whl", "x"),
            candidate("a-1-cp311-cp311-linux_x86_64.whl", "x"),
            candidate("a-1-1-cp311-cp311-linux_x86_64.whl", "x"),
            candidate("a-1-cp311-abi3-linux_x86_64.whl", "x"),
        ],
        TARGET,
    )
    assert names(found) == [
        "a-1-1-cp311-cp311-linux_x86_64.whl",
        "a-1-cp311-cp311-linux_x86_64.whl",
        "a-1-cp311-abi3-linux_x86_64.whl",
        "a-1-py3-none-any.whl",
    ]


def test_a_stated_hash_that_is_locked_goes_before_none_at_all():
    found = offers(
        need("a==1", "x"),
        [candidate("a-1-cp311-cp311-linux_x86_64.whl"), candidate("a-1-py3-none-any.whl", "x")],
        TARGET,
    )
    assert names(found) == ["a-1-py3-none-any.whl", "a-1-cp311-cp311-linux_x86_64.whl"]


def test_a_stated_hash_that_is_not_locked_is_no_offer():
    assert offers(need("a==1", "x"), [candidate("a-1-py3-none-any.whl", "y")], TARGET) == []


@pytest.mark.parametrize("algorithm", ["md5", "sha512"])
def test_a_stated_hash_that_cannot_be_compared_leaves_it_to_the_bytes(algorithm: str):
    offered = Candidate(
        filename="a-1-py3-none-any.whl",
        digests=(hashed("y", algorithm),),
        requires_python=None,
        size=None,
        origin="",
        handle=None,
    )
    assert names(offers(need("a==1", "x"), [offered], TARGET)) == ["a-1-py3-none-any.whl"]


def test_of_one_file_on_two_indexes_the_first_index_is_asked_first():
    first, second = candidate("a-1-py3-none-any.whl", "x"), candidate("a-1-py3-none-any.whl", "x")
    assert next(each for _, each in offers(need("a==1", "x"), [first, second], TARGET)) is first


@pytest.mark.parametrize(
    ("filename", "python", "offered"),
    [
        ("a-1-py3-none-any.whl", None, True),
        ("a-1-py3-none-any.whl", "", True),
        ("a-1-py3-none-any.whl", ">=3.8", True),
        ("a-1-py3-none-any.whl", ">=3.12", False),
        ("a-1-py3-none-any.whl", "three", True),
        ("a-1.tar.gz", None, False),
        ("a-1-cp311-cp311-win_amd64.whl", None, False),
        ("a-10-py3-none-any.whl", None, False),
        ("ab-1-py3-none-any.whl", None, False),
    ],
)
def test_only_what_fits_is_offered(filename: str, python: str | None, offered: bool):
    found = offers(need("a==1", "x"), [candidate(filename, "x", python=python)], TARGET)
    assert names(found) == ([filename] if offered else [])


# Why there is nothing


@pytest.mark.parametrize(
    ("line", "there", "others", "why"),
    [
        ("a==1.1", [], 0, "no index has this project"),
        ("a==1.1", [], 3, "no index has version 1.1"),
        ("a==1.1", [candidate("a-1.10-py3-none-any.whl")], 0, "no index has version 1.1"),
        ("a==1.1", [candidate("a-1.10.tar.gz")], 0, "no index has version 1.1"),
        ("a==1.1", [candidate("a-b-1.1.tar.gz")], 0, "no index has version 1.1"),
        ("a==1.1", [candidate("a-1.1.exe"), candidate("a.zip")], 0, "no index has version 1.1"),
        (
            "a==1.1",
            [candidate("a-1.1.tar.gz"), candidate("a-1.10-py3-none-any.whl")],
            0,
            "no wheel for cp311-linux_x86_64, only a source distribution, and no build lock says how to build it",
        ),
        (
            "a==1.1",
            [candidate("a-1.1-cp311-cp311-win_amd64.whl"), candidate("a-1.1.zip")],
            0,
            "no wheel for cp311-linux_x86_64 (there are 1 for other targets)",
        ),
        (
            "a==1.1",
            [candidate("a-1.1-py3-none-any.whl", "y"), candidate("a-1.1-cp311-cp311-win_amd64.whl", "x")],
            0,
            "the lock has no hash of the wheels that fit cp311-linux_x86_64 (a-1.1-py3-none-any.whl)",
        ),
        (
            "a==1.1",
            [candidate("a-1.1-py3-none-any.whl", "x", python=">=3.99")],
            0,
            "the wheels that fit cp311-linux_x86_64 require Python >=3.99, and the target has 3.11.0",
        ),
        (
            "a @ https://pkgs.example.com/b.whl",
            [candidate("b-1-py3-none-any.whl")],
            0,
            "the URL names no wheel of this project",
        ),
        (
            "a @ https://pkgs.example.com/a-1.zip",
            [candidate("a-1.zip")],
            0,
            "no wheel for cp311-linux_x86_64, only a source distribution, and no build lock says how to build it",
        ),
    ],
)
def test_why_nothing_answers_is_said_in_words(line: str, there: list[Candidate], others: int, why: str):
    asked = need(line, "x")
    assert offers(asked, there, TARGET) == []
    listing = Listing(candidates=tuple(there), others=others, failures=())
    assert why_none(asked, listing, TARGET) == why


def test_the_version_of_a_url_comes_from_its_file_name():
    assert need("a @ https://pkgs.example.com/a-1.10.zip", "x").version == Version("1.10")
