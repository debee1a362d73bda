"""What a project accepts does not count, is listed with its reason, and is looked at again when its day has come."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from lockhouse import config, project
from lockhouse.check import Report, check
from lockhouse.errors import ConfigError, Location
from lockhouse.rules import RULES, finding
from lockhouse.rules.accepted import sort_out
from lockhouse.target import running
from support import worlds
from support.project import Project
from support.wheels import build_wheel, sha256
from support.worlds import Entry, World, header, lock_text, made_up

TODAY = date(2026, 11, 22)
LAST = date(2027, 1, 31)

Table = dict[str, object]


def entry(**changes: object) -> Table:
    """Return an acceptance of the one finding of `spoiled`; None takes a key out."""
    table: Table = {"rule": "lock-orphan", "pin": "left", "reason": "until we have time", "until": LAST, **changes}
    return {key: value for key, value in table.items() if value is not None}


def toml(table: Table) -> str:
    """Return an acceptance as it is written."""
    lines = [f"{key} = {value if isinstance(value, date | int) else repr(value)}" for key, value in table.items()]
    return "\n".join(["[[tool.lockhouse.accept]]", *lines, ""])


def spoiled(root: Path, *tables: Table, version: str = "1.0") -> Project:
    """Write a project with an orphan, an index line, and a lock of another Python: three findings, one of them an error."""
    made = Project(root, {})
    made.write("requirements/main.in", "app\n")
    pins = [("app==1.0", "-r requirements/main.in"), (f"left=={version}", "-r requirements/main.in")]
    entries = [Entry(pin=pin, hashes=(made_up(pin),), via=(via,)) for pin, via in pins]
    text = lock_text(entries, header("main", "3.1"))
    made.write("requirements/main.txt", text + "--index-url https://pkgs.example.com/simple/\n")
    made.write("pyproject.toml", "[tool.lockhouse]\n" + "".join(map(toml, tables)))
    return made


def judged(made: Project, *, today: date | None = TODAY) -> Report:
    read = project.read(config.load(made.root), {})
    return check(read, read.named([]), target=running(), house=None, today=today)


def rules(report: Report) -> list[str]:
    return [rule for rule, _ in worlds.said(report.findings)]


SOUND = ["lock-python?", "lock-leak?"]


def test_the_control_has_the_findings_that_are_accepted_below(tmp_path):
    assert rules(judged(spoiled(tmp_path))) == ["lock-python?", "lock-orphan", "lock-leak?"]


@pytest.mark.parametrize("pin", ["left", "Left", "left==1.0", "left==1.0.0", " left == 1.0"])
def test_an_accepted_finding_does_not_count(tmp_path, pin):
    report = judged(spoiled(tmp_path, entry(pin=pin)))
    assert rules(report) == SOUND
    [accepted] = report.accepted
    assert accepted.finding.rule == "lock-orphan"
    assert (accepted.acceptance.reason, accepted.acceptance.until) == ("until we have time", LAST)


@pytest.mark.parametrize(
    "change",
    [{"pin": "lef"}, {"pin": "app"}, {"pin": "left==1.1"}, {"rule": "lock-stale"}],
    ids=lambda change: "-".join(map(str, change.values())),
)
def test_an_acceptance_of_something_else_accepts_nothing(tmp_path, change):
    report = judged(spoiled(tmp_path, entry(**change)))
    assert report.accepted == ()
    assert rules(report) == ["accept-stale?", "lock-python?", "lock-orphan", "lock-leak?"]


def test_an_acceptance_of_a_version_ends_with_that_version(tmp_path):
    report = judged(spoiled(tmp_path, entry(pin="left==1.0"), version="1.0.1"))
    assert rules(report) == ["accept-stale?", "lock-python?", "lock-orphan", "lock-leak?"]


def test_warnings_about_a_whole_lock_are_accepted_without_a_pin(tmp_path):
    made = spoiled(tmp_path, entry(), entry(rule="lock-python", pin=None), entry(rule="lock-leak", pin=None))
    report = judged(made)
    assert (report.findings, len(report.accepted)) == ((), 3)
    result = made.call("check", "--locks-only", "--strict")
    assert result.status == 0, result


def test_an_acceptance_counts_through_its_last_day_and_is_an_error_after(tmp_path):
    made = spoiled(tmp_path, entry())
    assert rules(judged(made, today=LAST)) == SOUND
    report = judged(made, today=LAST + timedelta(days=1))
    assert rules(report) == ["accept-stale", "lock-python?", "lock-orphan", "lock-leak?"]
    assert str(report.findings[0].where) == "pyproject.toml:2"
    assert "this acceptance ended on 2027-01-31: lock-orphan of left" in report.findings[0].message
    assert report.accepted == ()


def test_of_two_acceptances_of_one_finding_the_later_one_counts_while_it_lasts(tmp_path):
    made = spoiled(tmp_path, entry(until=date(2020, 1, 1)), entry())
    report = judged(made)
    assert [found.severity for found in report.findings if found.rule == "accept-stale"] == ["error"]
    assert len(report.accepted) == 1


def test_without_a_date_nothing_is_accepted(tmp_path):
    report = judged(spoiled(tmp_path, entry()), today=None)
    assert rules(report) == ["lock-python?", "lock-orphan", "lock-leak?"]


def test_an_acceptance_that_nothing_needs_is_a_warning_at_its_line(tmp_path):
    made = spoiled(tmp_path, entry(), entry(pin="app", reason="nobody knows"))
    result = made.call("check", "--locks-only", env={"NO_COLOR": "1"})
    assert result.status == 0, result
    name = running().name
    assert f"pyproject.toml:7: accept-stale (warning): no finding on {name} needs this acceptance" in result.stdout
    assert "  reason: nobody knows\n" in result.stdout
    assert made.call("check", "--locks-only", "--strict").status == 1


def test_what_was_not_judged_may_be_needed(tmp_path):
    of_wheels = entry(rule="wheel-unusable", pin="app")
    of_dependencies = entry(rule="dependency-missing", pin="app", requires="core")
    made = spoiled(tmp_path, entry(), of_wheels, of_dependencies)
    assert "accept-stale?" not in rules(judged(made))
    # There is no wheel, so none was looked into.
    (made.root / "wheelhouse").mkdir()
    assert "accept-stale" not in made.call("check").stdout
    # Without its source nobody can tell what is an orphan.
    alone = spoiled(tmp_path / "alone", entry(pin="app"))
    configured = alone.read("pyproject.toml").replace(
        "[tool.lockhouse]\n", '[tool.lockhouse]\nlayers.main = { lock = "requirements/main.txt", sources = [] }\n'
    )
    alone.write("pyproject.toml", configured)
    assert "accept-stale" not in alone.call("check", "--locks-only").stdout


def test_layers_that_are_named_do_not_tell_what_others_need(tmp_path):
    made = spoiled(tmp_path, entry(pin="app"))
    made.write("requirements/dev.in", "")
    made.write("requirements/dev.txt", "")
    for layer, told in (("main", False), ("dev", False), ("", True)):
        result = made.call("check", "--locks-only", *filter(None, [layer]))
        assert ("accept-stale" in result.stdout) is told, result


def test_what_was_accepted_is_listed_with_its_reason_and_its_end(tmp_path):
    made = spoiled(tmp_path, entry(until=date(2999, 1, 1)))
    result = made.call("check", "--locks-only")
    assert result.status == 0, result
    assert (
        "accepted until 2999-01-01: lock-orphan at requirements/main.txt:10: "
        "left==1.0 is locked, but no source asks for it any more\n"
        "  reason:  until we have time\n  said in: pyproject.toml:2\n"
        "ok, 2 warnings, 1 accepted: 1 lock, 2 pins\n"
    ) in result.stdout, result
    assert "lock-orphan" not in dict(worlds.printed(result.stdout))


@pytest.mark.parametrize(
    ("table", "reason", "hint"),
    [
        (entry(rule="lock-orphn"), "there is no rule 'lock-orphn'", "did you mean 'lock-orphan'?"),
        (entry(rule=None), "there is no 'rule'", None),
        (entry(pin=None), "there is no 'pin'", "name the project that the finding of 'lock-orphan' is about"),
        (entry(pin="left>=1"), "'pin' should be the name of a project, not 'left>=1'", None),
        (entry(pin="left==one two"), "'pin' should be NAME or NAME==VERSION", None),
        (entry(pin=3), "'pin' should be a string, not 3", None),
        (entry(reason=None), "there is no 'reason'", None),
        (entry(reason="  "), "'reason' is empty", None),
        (entry(until=None), "there is no 'until'", "until = 2027-03-31"),
        (entry(until="2027-01-31"), "'until' should be a date, not '2027-01-31'", "without quotes"),
        (entry(requires="core"), "'requires' goes with 'dependency-missing' and 'dependency-unsatisfied' only", None),
        (entry(rule="dependency-missing"), "there is no 'requires'", "name the project that the pin's wheel requires"),
        (entry(untill=LAST), "unknown key 'untill'", "did you mean 'until'?"),
    ],
)
def test_an_acceptance_that_is_not_exact_is_refused(tmp_path, table, reason, hint):
    made = spoiled(tmp_path, entry(), table)
    with pytest.raises(ConfigError) as caught:
        config.load(made.root)
    assert str(caught.value).startswith("pyproject.toml:7: [[tool.lockhouse.accept]]: ")
    assert reason in str(caught.value)
    assert hint is None or hint in (caught.value.hint or "")
    assert made.call("check", "--locks-only").status == 2


@pytest.mark.parametrize("value", ["'lock-orphan'", "{ rule = 'lock-orphan' }", "['lock-orphan']", "1"])
def test_acceptances_are_tables(tmp_path, value):
    made = spoiled(tmp_path)
    made.write("pyproject.toml", f"[tool.lockhouse]\naccept = {value}\n")
    with pytest.raises(ConfigError, match="'accept' should be an array of tables"):
        config.load(made.root)


def test_a_time_of_day_is_no_date(tmp_path):
    made = spoiled(tmp_path)
    made.write("pyproject.toml", toml(entry(until=None)) + "until = 2027-01-31T12:00:00\n")
    with pytest.raises(ConfigError, match="'until' should be a date"):
        config.load(made.root)


def test_acceptances_that_stand_on_one_line_are_read_too(tmp_path):
    made = spoiled(tmp_path)
    table = "{ rule = 'lock-orphan', pin = 'left', reason = 'x', until = 2020-01-01 }"
    made.write("pyproject.toml", f"[tool.lockhouse]\naccept = [{table}]\n")
    assert str(judged(made).findings[0].where) == "pyproject.toml"


NEVER = [
    *("hash-mismatch", "wheel-unrecorded", "wheel-broken", "wheel-extra", "wheel-missing", "pin-unhashed"),
    *(
        "pin-weak-hash",
        "env-differs",
        "env-missing",
        "env-extra",
        "pin-duplicate",
        "layers-disagree",
        "lock-missing",
        "pin-loose",
        "pin-unlockable",
        "accept-stale",
    ),
]


@pytest.mark.parametrize("rule", NEVER)
def test_what_must_not_be_accepted_is_refused_with_the_reason(tmp_path, rule):
    made = spoiled(tmp_path, entry(rule=rule))
    result = made.call("check", "--locks-only")
    assert result.status == 2, result
    assert f"'{rule}': " in result.stderr
    assert "cannot be accepted: " in result.stderr
    assert f"hint: `lockhouse explain {rule}`" in result.stderr


@pytest.mark.parametrize("rule", sorted(set(RULES) - set(NEVER)))
def test_every_other_rule_can_be_accepted(tmp_path, rule):
    requires = "core" if rule in {"dependency-missing", "dependency-unsatisfied"} else None
    [acceptance] = config.load(spoiled(tmp_path, entry(rule=rule, requires=requires)).root).accept
    assert acceptance.rule == rule


def test_a_misnamed_wheel_is_accepted_only_where_it_is_a_warning(tmp_path):
    [acceptance] = config.load(spoiled(tmp_path, entry(rule="wheel-misnamed")).root).accept
    where = Location(Path("wheelhouse/left-1.0-py3-none-any.whl"))
    grave = finding("wheel-misnamed", where, "another project", pin=acceptance.pin)
    light = finding("wheel-misnamed", where, "other tags", pin=acceptance.pin, severity="warning")
    counting, accepted = sort_out(
        [grave, light], [acceptance], pins=[], judged=frozenset(), today=TODAY, target="cp311-linux_x86_64"
    )
    assert counting == [grave]
    assert [each.finding for each in accepted] == [light]


def test_only_the_requirement_that_is_named_is_accepted(tmp_path):
    [acceptance] = config.load(spoiled(tmp_path, entry(rule="dependency-unsatisfied", requires="Core")).root).accept
    where = Location(Path("requirements/main.txt"), 9)
    core, other = (
        finding("dependency-unsatisfied", where, name, pin=acceptance.pin, requires=canonicalize_name(name))
        for name in ("core", "other")
    )
    counting, accepted = sort_out(
        [core, other], [acceptance], pins=[], judged=frozenset(), today=TODAY, target="cp311-linux_x86_64"
    )
    assert counting == [other]
    assert [each.finding for each in accepted] == [core]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("sound")
    return worlds.make(folder / "world", folder / "home")


def test_an_acceptance_that_is_not_needed_is_told_of_where_all_wheels_were_seen(sound: World, tmp_path):
    world = sound.copied(tmp_path / "world")
    world.project.write("pyproject.toml", toml(entry(rule="wheel-unusable", pin="app")))
    assert worlds.printed(world.check().stdout) == [("accept-stale?", "pyproject.toml:1")]
    assert worlds.printed(world.check("--locks-only").stdout) == []


def test_a_dependency_that_is_not_met_is_accepted_by_pin_and_requirement(sound: World, tmp_path):
    world = sound.copied(tmp_path / "world")
    before = sha256(world.wheel("app"))
    build_wheel(world.house, "app", "1.0", requires=["core>=1.11"])
    world.relock("app", before)
    assert worlds.printed(world.check().stdout) == [("dependency-unsatisfied", world.at(worlds.MAIN, "app"))]
    for requires, left in (("core", []), ("lib", ["accept-stale?", "dependency-unsatisfied"])):
        table = entry(rule="dependency-unsatisfied", pin="app==1.0", requires=requires, until=date(2999, 1, 1))
        world.project.write("pyproject.toml", toml(table))
        assert [rule for rule, _ in worlds.printed(world.check().stdout)] == left
    # Where the rules about dependencies wait, nobody can tell what is needed.
    world.wheel("speed").unlink()
    result = world.check()
    assert [rule for rule, _ in worlds.printed(result.stdout)] == ["wheel-missing"], result
    assert result.stdout.endswith("; the dependency rules wait until every pin has its wheel\n"), result


def test_a_pin_that_nothing_needs_is_accepted(sound: World, tmp_path):
    world = sound.copied(tmp_path / "world")
    world.project.write("pyproject.toml", toml(entry(rule="pin-unreachable", pin="foo", until=date(2999, 1, 1))))
    assert [rule for rule, _ in worlds.printed(world.check().stdout)] == ["accept-stale?"]
    # A lock that is stale tells nothing about that.
    world.append(worlds.MAIN_IN, "newcomer\n")
    assert [rule for rule, _ in worlds.printed(world.check().stdout)] == ["lock-stale"]


def accepting(world: World, *tables: Table) -> World:
    """Let the world have an orphan, `foo`, and accept that with whatever else is given."""
    world.edit(worlds.MAIN_IN, "foo\n", "")
    world.project.write("pyproject.toml", "".join(map(toml, [entry(pin="foo", until=date(2999, 1, 1)), *tables])))
    return world


@pytest.mark.slow
def test_install_accepts_what_check_accepts(sound: World, tmp_path):
    world = accepting(sound.copied(tmp_path / "world"))
    done = world.project.call("install")
    assert done.status == 0, done
    assert "accepted until 2999-01-01: lock-orphan at " in done.stderr


def test_install_is_never_half_whatever_is_accepted(sound: World, tmp_path):
    table = entry(rule="wheel-unusable", pin="speed", until=date(2999, 1, 1))
    world = accepting(sound.copied(tmp_path / "world"), table)
    # That a wheel is of another platform can be accepted; that it is not installed cannot.
    [wheel] = world.shelf.iterdir()
    world.wheel("speed").unlink()
    (world.house / wheel.name).write_bytes(wheel.read_bytes())
    assert world.check().status == 0
    refused = world.project.call("install")
    assert refused.status == 1, refused
    assert "nothing was installed" in refused.stderr
    assert not (world.root / ".venv").exists()
