"""Freshness: decided from sources and lock alone, by what they mean, and nothing that follows from something else."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from lockhouse.target import Target
from support import worlds
from support.worlds import DEV, DEV_IN, MAIN, MAIN_IN, Entry, header, lock_text, made_up

Found = list[tuple[str, str]]
SOURCE = f"-r {MAIN_IN}"


def entries(pins: Mapping[str, Sequence[str]]) -> list[Entry]:
    return [Entry(pin=pin, hashes=(made_up(pin),), via=tuple(via)) for pin, via in pins.items()]


def judged(root: Path, source: str, lock: str | Mapping[str, Sequence[str]], target: Target | None = None) -> list[str]:
    """Return `rule:line` of every finding, L for a line of the lock and S for one of the source."""
    text = lock if isinstance(lock, str) else lock_text(entries(lock))
    report = worlds.judge(root, {MAIN_IN: source, MAIN: text}, target=target)
    short = {MAIN: "L", MAIN_IN: "S"}
    return [
        f"{rule} {short[path]}{line}" for rule, where in worlds.said(report.findings) for path, _, line in [where.partition(":")]
    ]  # fmt: skip


# Orphans. Each entry made here takes three lines of the lock, or two more than it has reasons where these are several.


@pytest.mark.parametrize(
    ("source", "lock", "expected"),
    [
        pytest.param("a\n", {"a==1": [SOURCE], "b==1": ["a"], "c==1": ["b"]}, [], id="chain"),
        pytest.param("z\n", {"a==1": [SOURCE], "b==1": ["a"], "c==1": ["b"], "z==1": [SOURCE]}, ["lock-orphan L1"], id="chain-without-its-head"),
        pytest.param("b\n", {"a==1": [SOURCE], "b==1": ["a"]}, ["lock-orphan L1"], id="the-next-in-line-is-asked-for"),
        pytest.param("a\n", {"a==1": [SOURCE], "b==1": ["c"], "c==1": ["b"]}, ["lock-orphan L4", "lock-orphan L7"], id="circle-alone"),
        pytest.param("a\n", {"a==1": [SOURCE], "b==1": ["a", "c"], "c==1": ["b"]}, [], id="circle-that-is-asked-for"),
        pytest.param("x\n", {"x==1": [SOURCE], "b==1": [SOURCE, "c"], "c==1": ["b"], "d==1": ["c"]}, ["lock-orphan L4"], id="circle-with-a-head"),
        pytest.param("x\n", {"x==1": [SOURCE], "b==1": ["b"]}, ["lock-orphan L4"], id="needs-itself"),
        pytest.param("a[x]\n", {"a[x]==1": [SOURCE], "b==1": ["a[x]"]}, [], id="extras-in-via"),
        pytest.param("a\n", {"a==1": [SOURCE], "b==1": ["A_A[x, y]"], "a-a==1": ["a"]}, [], id="spelling-in-via"),
        pytest.param("a\n", {"a==1": [SOURCE], "b==1": [SOURCE, "a"]}, [], id="several-reasons-and-one-holds"),
        pytest.param("a\n", {"a==1": [SOURCE], "b==1": [SOURCE, "gone"]}, ["lock-orphan L4"], id="several-reasons-and-none-holds"),
        pytest.param("a\n", {"a==1": [SOURCE], "b==1": ["-r -"]}, [], id="stdin"),
        pytest.param("a\n", {"a==1": [SOURCE], "b==1": ["-r /dev/stdin"], "c==1": ["b"]}, [], id="stdin-by-path"),
        pytest.param("a\n", {"a==1": [SOURCE], "b==1": ["app (pyproject.toml)"]}, [], id="pyproject"),
        pytest.param("a\n", {"a==1": [SOURCE], "b==1": []}, [], id="no-reason-given"),
        pytest.param('a\nb ; python_version < "3"\n', {"a==1": [SOURCE], "b==1": [SOURCE]}, [], id="asked-for-elsewhere"),
        pytest.param("a\n", {"a==1": [SOURCE], "aa==1": ["a-a"]}, ["lock-orphan L4"], id="a-name-that-only-begins-alike"),
        pytest.param("-r more.in\n", {"a==1": ["-r more.in"]}, ["lock-orphan L1"], id="an-included-file-lost-a-line"),
    ],
)  # fmt: skip
def test_a_pin_is_an_orphan_when_only_a_lost_line_explains_it(source: str, lock, expected: list[str], tmp_path: Path):
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "more.in").write_text("# empty now\n")
    (tmp_path / "pyproject.toml").write_text(f'[tool.lockhouse]\nlayers = {{ main = {{ lock = "{MAIN}" }} }}\n')
    assert judged(tmp_path, source, lock) == expected


def test_a_constraint_never_keeps_a_pin(tmp_path: Path):
    texts = {
        MAIN_IN: "a\n",
        MAIN: lock_text(entries({"a==1": [SOURCE], "b==1": ["a"]})),
        DEV_IN: "-c main.txt\nc\n",
        DEV: lock_text(
            entries({"b==1": [f"-c {MAIN}", "tool"], "c==1": [f"-r {DEV_IN}"], "tool==1": [f"-r {DEV_IN}"]})
        ),
    }
    report = worlds.judge(tmp_path, texts)
    # b follows from tool, which no source names any more; that main keeps it is nothing to dev.
    assert worlds.said(report.findings) == [("lock-orphan", f"{DEV}:9")]


def test_a_constraint_alone_does_not_keep_one_either(tmp_path: Path):
    texts = {
        MAIN_IN: "a\n",
        MAIN: lock_text(entries({"a==1": [SOURCE]})),
        DEV_IN: "-c main.txt\nc\n",
        DEV: lock_text(entries({"a==1": [f"-c {MAIN}", f"-r {DEV_IN}"], "c==1": [f"-r {DEV_IN}"]})),
    }
    report = worlds.judge(tmp_path, texts)
    assert worlds.said(report.findings) == [("lock-orphan", f"{DEV}:1")]


def test_what_a_missing_pin_required_is_no_orphan(tmp_path: Path):
    assert judged(tmp_path, "a\nb\n", {"b==1": [SOURCE], "c==1": ["a"]}) == ["lock-stale S1"]


@pytest.mark.parametrize("line", ["b>=1", "b==1.*"])
def test_what_a_loose_line_requires_is_no_orphan(line: str, tmp_path: Path):
    lock = lock_text(entries({"a==1": [SOURCE], line: ["a"], "c==1": ["b"]}))
    assert judged(tmp_path, "a\n", lock) == ["pin-loose L4"]
    assert judged(tmp_path, "a\nb<1\n", lock) == ["pin-loose L4"]


@pytest.mark.parametrize(
    ("source", "locked"),
    [
        ("-e .", "-e ."),
        ("./own", "own @ file:///srv/own"),
        ("own @ git+https://code.example.com/own.git", "own @ git+https://code.example.com/own.git"),
        ("own @ git+https://code.example.com/own.git ; python_version >= '3'", "-e git+https://code.example.com/own.git#egg=own"),
    ],
)  # fmt: skip
def test_what_something_unlockable_requires_is_no_orphan(source: str, locked: str, tmp_path: Path):
    lock = f"{locked}\n    # via {SOURCE}\n" + lock_text(entries({"c==1": ["own"]}))
    assert judged(tmp_path, f"{source}\n", lock) == ["pin-unlockable L1"]


def test_a_universal_lock_loses_every_pin_of_an_orphan(tmp_path: Path):
    both = [
        Entry(pin=f"a=={version}", hashes=(made_up(version),), via=(SOURCE,), marker=f"python_version {when}")
        for version, when in (("1", "< '3.9'"), ("2", ">= '3.9'"))
    ]
    assert judged(tmp_path, "# nothing\n", lock_text(both)) == ["lock-orphan L1", "lock-orphan L4"]
    assert judged(tmp_path, "a>=2\n", lock_text(both)) == []
    assert judged(tmp_path, "a>=2\n", lock_text(both), worlds.on("3.8")) == ["lock-stale S1"]


def test_an_orphan_is_named_as_it_is_pinned(tmp_path: Path):
    lock = lock_text([Entry(pin="a @ https://pkgs.example.com/a.zip", hashes=(made_up("a"),), via=(SOURCE,))])
    [found] = worlds.judge(tmp_path, {MAIN_IN: "# nothing\n", MAIN: lock}).findings
    assert found.message == "a is locked, but no source asks for it any more"
    assert found.facts == (("via", SOURCE),)


# Stale


@pytest.mark.parametrize(
    ("line", "stale"),
    [
        ("a", False),
        ("a==1.10", False),
        ("a==1.1", True),
        ("a==1.10.0", False),
        ("a~=1.9", False),
        ("a~=1.10.1", True),
        ("a!=1.10", True),
        ("a<1.10", True),
        ("a===1.10", False),
        ("a[x]", True),
        ("a[x]; python_version < '3'", False),
        ("a>=2; python_version < '3'", False),
        ("a>=2; extra == 'x'", False),
        ("a @ https://pkgs.example.com/a-1.10.zip", True),
    ],
)
def test_a_requirement_is_stale_when_the_pin_does_not_answer_it(line: str, stale: bool, tmp_path: Path):
    lock = lock_text(entries({"a==1.10": [SOURCE]}), header("main"))
    assert judged(tmp_path, f"\n{line}\n", lock) == (["lock-stale S2"] if stale else [])


def test_a_prerelease_that_is_pinned_answers(tmp_path: Path):
    assert judged(tmp_path, "a>=1\n", {"a==2.0rc1": [SOURCE]}) == []


@pytest.mark.parametrize(
    ("line", "stale"),
    [
        ("a @ https://pkgs.example.com/a-1.5.zip", False),
        ("a @ https://pkgs.example.com/a-1.5.zip#egg=a", False),
        ("a @ https://pkgs.example.com/a-1.6.zip", True),
        ("a>=1", False),
        ("a<1", True),
    ],
)
def test_a_pin_by_url_answers_its_url_and_its_version(line: str, stale: bool, tmp_path: Path):
    lock = {"a @ https://pkgs.example.com/a-1.5.zip": [SOURCE]}
    assert judged(tmp_path, f"{line}\n", lock) == (["lock-stale S1"] if stale else [])


def test_the_message_says_what_is_asked_for_and_what_is_locked(tmp_path: Path):
    text = lock_text(entries({"a==1.10": [SOURCE], "b[x]==1": [SOURCE]}), header("main"))
    report = worlds.judge(tmp_path, {MAIN_IN: "a>=2  # why\nb[x,y,z]\nc\n", MAIN: text})
    assert [(found.message, found.facts, found.hint) for found in report.findings] == [
        ("'a>=2' is asked for, but the lock pins a==1.10", (("lock", f"{MAIN}:7"),), "run `make lock`"),
        ("'b[x,y,z]' is asked for, but the lock pins it without the extras y, z", (("lock", f"{MAIN}:10"),), "run `make lock`"),
        ("'c' is asked for, but the lock has no pin of it for the target", (("lock", MAIN),), "run `make lock`"),
    ]  # fmt: skip


def test_a_requirement_is_fresh_when_one_of_two_pins_answers(tmp_path: Path):
    lock = {"a==1": [SOURCE], "A==2": [SOURCE]}
    assert judged(tmp_path, "a>=2\n", lock) == ["pin-duplicate L4"]
    assert judged(tmp_path, "a>=3\n", lock) == ["lock-stale S1", "pin-duplicate L4"]


def test_a_credential_in_a_source_is_not_shown(tmp_path: Path):
    source = "a @ https://me:hunter2@pkgs.example.com/a-1.0.zip?sig=hunter2\n"
    [found] = worlds.judge(tmp_path, {MAIN_IN: source, MAIN: lock_text(entries({"a==1.0": [SOURCE]}))}).findings
    assert found.rule == "lock-stale"
    assert "hunter2" not in repr(found)


def test_the_target_decides_which_requirements_count(tmp_path: Path):
    source = "a\nwin ; sys_platform == 'win32'\nold ; python_version < '3.12'\n"
    lock = {"a==1": [SOURCE], "old==1": [SOURCE]}
    assert judged(tmp_path, source, lock, worlds.on("3.11")) == []
    assert judged(tmp_path, source, lock, worlds.on("3.12")) == []
    assert judged(tmp_path, source, lock, worlds.on("3.12", "win32")) == ["lock-stale S2"]


def test_constraints_and_disagreeing_layers_are_one_finding(tmp_path: Path):
    texts = {
        MAIN_IN: "a\n",
        MAIN: lock_text(entries({"a==2": [SOURCE]})),
        DEV_IN: "-c main.txt\na\n",
        DEV: lock_text(entries({"a==1": [f"-r {DEV_IN}"]})),
    }
    assert worlds.said(worlds.judge(tmp_path, texts).findings) == [("layers-disagree", f"{DEV}:1")]
    separate = '[tool.lockhouse]\nenvironments = { one = ["main"], two = ["dev"] }\n'
    report = worlds.judge(tmp_path, {**texts, "pyproject.toml": separate})
    # Where they need not agree, it is the constraint that is broken.
    assert worlds.said(report.findings) == [("lock-stale", f"{MAIN}:1")]


def test_a_layer_without_a_lock_is_missing_and_no_more(tmp_path: Path):
    report = worlds.judge(tmp_path, {MAIN_IN: "a\nb>1\n"})
    assert worlds.said(report.findings) == [("lock-missing", MAIN)]
    assert (report.locks, report.pins, report.notes) == (0, 0, ())


def test_an_unlockable_constraint_asks_for_nothing(tmp_path: Path):
    texts = {
        MAIN_IN: "a\n",
        MAIN: "own @ git+https://code.example.com/own.git\n    # via a\n" + lock_text(entries({"a==1": [SOURCE]})),
        DEV_IN: "-c main.txt\nc\n",
        DEV: lock_text(entries({"c==1": [f"-r {DEV_IN}"]})),
    }
    assert worlds.said(worlds.judge(tmp_path, texts).findings) == [("pin-unlockable", f"{MAIN}:1")]
