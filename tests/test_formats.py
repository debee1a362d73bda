"""The formats of `check`: the same findings for people, programs and code hosts, and never a word more."""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from jsonschema import Draft4Validator, Draft202012Validator

from lockhouse import __version__, cli
from lockhouse.rules import RULES
from support import worlds
from support.project import Project
from support.worlds import Entry, header, lock_text, made_up

ROOT = Path(__file__).resolve().parents[1]
FORMATS = ("text", "json", "github", "sarif")
SECRET = "hunter2-token"
WAITED = "the dependency rules wait until every pin has its wheel"
SCHEMA = json.loads((ROOT / "docs" / "check.schema.json").read_text(encoding="utf-8"))
SARIF = json.loads((ROOT / "tests" / "data" / "sarif" / "sarif-2.1.0-rtm.5.json").read_text(encoding="utf-8"))

# What somebody might name a file to speak through us to a terminal, a CI system or a reader.
HOSTILE = (
    "x\n::error::owned",
    "x\r::set-output name=a::b",
    "::add-mask::a",
    " ::stop-commands::a",
    "##[add-mask]a",
    "x ##[error]a",
    "##vso[task.setvariable variable=a]b",
    "##teamcity[message]",
    "a%0A::error::b,title=c:d",
    "\x1b]0;owned\x07",
    "\x9b31m",
    "\u202egpj.whl",
    "\u2028::error::a",
    "[here](javascript:alert)",
    "##\u200dvso[task]",
    b"\xff\xfe.whl",
    '"quoted"\\back',
)
ACCEPT = """\
[[tool.lockhouse.accept]]
rule = "lock-orphan"
pin = "left"
reason = "it goes next week: https://me:{SECRET}@wiki.example.com/?token={SECRET}"
until = 2999-12-31
""".replace("{SECRET}", SECRET)


def spoil(root: Path) -> Project:
    """Write a project with findings of several kinds in several files, one of them accepted, and secrets in its lock."""
    made = Project(root, {})
    made.write("requirements/main.in", "app\nnewcomer>=1\n")
    pins = [("app==1.0", "-r requirements/main.in"), ("left==1.0", "-r requirements/main.in")]
    entries = [Entry(pin=pin, hashes=(made_up(pin),), via=(via,)) for pin, via in pins]
    text = lock_text(entries, header("main"))
    index = f"https://me:{SECRET}@pkgs.example.com/simple/?sig={SECRET}"
    made.write("requirements/main.txt", f"{text}bare==1\n--index-url {index}\n--trusted-host pkgs.example.com\n")
    made.write("wheelhouse/notes.txt", "")
    made.write("pyproject.toml", ACCEPT)
    return made


EXPECTED = [
    ("lock-stale", "requirements/main.in:2"),
    ("wheel-missing", "requirements/main.txt:7"),
    ("wheel-missing", "requirements/main.txt:10"),
    ("pin-unhashed", "requirements/main.txt:13"),
    ("lock-leak", "requirements/main.txt:14"),
    ("lock-leak?", "requirements/main.txt:15"),
    ("wheel-extra", "wheelhouse/notes.txt"),
]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return spoil(tmp_path / "project")


def as_json(project: Project, *argv: str) -> Any:
    return json.loads(project.call("check", "--format", "json", *argv).stdout)


# All formats


@pytest.mark.parametrize("form", FORMATS)
def test_the_exit_status_is_the_same_in_every_format(project: Project, form: str):
    def status(*argv: str) -> int:
        return project.call("check", "--format", form, *argv).status

    assert status() == 1
    assert status("--select", "lock-python", "--strict") == 0
    assert status("--locks-only", "--ignore", "lock-stale,pin-unhashed,lock-leak,lock-orphan", "--strict") == 0
    project.write("requirements/main.txt", project.read("requirements/main.txt").partition("bare==1")[0])
    project.write("requirements/main.in", "app\n")
    project.write("requirements/main.txt", project.read("requirements/main.txt") + "--trusted-host example.com\n")
    assert status("--locks-only") == 0
    assert status("--locks-only", "--strict") == 1


@pytest.mark.parametrize("form", FORMATS)
def test_no_secret_gets_through(project: Project, form: str):
    result = project.call("check", "--format", form)
    assert "****" in result.stdout
    assert SECRET not in result.stdout + result.stderr, result


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_project_gives_the_same_text(project: Project, form: str):
    once, again = (project.call("check", "--format", form) for _ in range(2))
    assert (once.stdout, once.stderr) == (again.stdout, again.stderr)


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_hostile_in_a_file_name_stays_a_name(project: Project, form: str):
    house = str(project.root / "wheelhouse").encode()
    for name in HOSTILE:
        raw = name if isinstance(name, bytes) else name.encode()
        Path((house + b"/" + raw).decode(errors="surrogateescape")).touch()
    result = project.call("check", "--format", form)
    said = result.stdout + result.stderr
    commands = [(kind, properties["title"].partition(" ")[0]) for kind, properties, _ in commands_in(said)]
    if form == "github":
        listed = [rule for rule, _ in worlds.printed(project.call("check").stdout)]
        assert [rule for _, rule in commands] == [*(rule.rstrip("?") for rule in listed), "lock-orphan"]
        assert len(listed) == len(EXPECTED) + len(HOSTILE)
        told = [(properties["file"], data.partition("\n")[0]) for _, properties, data in commands_in(result.stdout)]
        assert told[:-1] == [(each["path"], each["message"]) for each in as_json(project)["findings"]]
    else:
        assert commands == []
    # A program sees what it decodes; line breaks between facts are ours.
    seen = json.dumps(json.loads(result.stdout), ensure_ascii=False) if form in {"json", "sarif"} else said
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\ud800-\udfff]", seen)


@pytest.mark.parametrize("form", ["json", "sarif"])
def test_a_program_gets_no_colour_and_nothing_else(project: Project, form: str):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out, err = Terminal(), Terminal()
    assert cli.run(["check", "--format", form], cwd=project.root, environ={}, stdout=out, stderr=err) == 1
    assert json.loads(out.getvalue())
    assert "\x1b" not in out.getvalue()
    assert err.getvalue() == ""


def test_an_unknown_format_is_wrong_usage(project: Project):
    assert project.call("check", "--format", "xml").status == 2


# Text


def test_files_stand_apart_and_every_finding_can_be_searched_for(project: Project):
    result = project.call("check")
    assert worlds.printed(result.stdout) == EXPECTED, result
    blocks = result.stdout.split("\n\n")
    files = [{where.partition(":")[0] for _, where in worlds.printed(block)} for block in blocks]
    assert files == [{"requirements/main.in"}, {"requirements/main.txt"}, {"wheelhouse/notes.txt"}, set()], result
    assert blocks[-1].startswith("accepted until 2999-12-31: lock-orphan at requirements/main.txt:")


def test_findings_of_one_file_stand_together(project: Project):
    result = project.call("check", "--locks-only", "--select", "pin-unhashed,lock-leak")
    assert "\n\n" not in result.stdout, result
    assert result.stdout.endswith("rules ignored\n"), result


# Selecting


def test_only_selected_rules_are_shown_and_counted(project: Project):
    result = project.call("check", "--select", "lock-stale", "--select", "wheel-extra,pin-unhashed")
    assert {rule for rule, _ in worlds.printed(result.stdout)} == {"lock-stale", "wheel-extra", "pin-unhashed"}
    assert (
        result.stdout.splitlines()[-1]
        == f"3 findings: 1 lock, 3 pins, 0 wheels; {WAITED}; {len(RULES) - 3} rules ignored"
    )
    assert "accepted" not in result.stdout


def test_ignored_rules_are_not_shown_nor_counted_and_the_closing_line_says_so(project: Project):
    result = project.call("check", "--ignore", "lock-stale", "--ignore", "wheel-extra, wheel-missing")
    assert {rule for rule, _ in worlds.printed(result.stdout)} == {"pin-unhashed", "lock-leak", "lock-leak?"}
    assert result.stdout.splitlines()[-1].endswith("; 3 rules ignored"), result
    result = project.call("check", "--select", "lock-stale,lock-leak", "--ignore", "lock-leak")
    assert {rule for rule, _ in worlds.printed(result.stdout)} == {"lock-stale"}


@pytest.mark.parametrize("option", ["--select", "--ignore"])
def test_a_rule_that_does_not_exist_is_exit_2_and_names_the_nearest(project: Project, option: str):
    result = project.call("check", option, "lock-stale,wheel-extr")
    assert (result.status, result.stdout) == (2, ""), result
    assert "there is no rule 'wheel-extr'\n  hint: did you mean 'wheel-extra'?" in result.stderr


def test_install_reads_every_rule(project: Project):
    assert project.call("install", "--ignore", "lock-stale").status == 2


# JSON


def test_the_document_is_what_its_schema_says(project: Project):
    Draft202012Validator.check_schema(SCHEMA)
    for argv in ([], ["--locks-only"], ["--ignore", "lock-stale"]):
        Draft202012Validator(SCHEMA).validate(as_json(project, *argv))


def test_the_schema_would_notice(project: Project):
    document = as_json(project)
    for key in document:
        assert not Draft202012Validator(SCHEMA).is_valid(
            {name: value for name, value in document.items() if name != key}
        )
    assert not Draft202012Validator(SCHEMA).is_valid(document | {"version": 2})
    for key in document["findings"][0]:
        found = {name: value for name, value in document["findings"][0].items() if name != key}
        assert not Draft202012Validator(SCHEMA).is_valid(document | {"findings": [found]})
    found = {name: value for name, value in document["accepted"][0].items() if name != "until"}
    assert not Draft202012Validator(SCHEMA).is_valid(document | {"accepted": [found]})


def test_the_document_holds_all_that_the_text_does(project: Project):
    document = as_json(project)
    text = project.call("check").stdout
    printed = [
        (
            each["rule"] + ("?" if each["severity"] == "warning" else ""),
            f"{each['path']}:{each['line']}".removesuffix(":None"),
        )
        for each in document["findings"]
    ]
    assert printed == worlds.printed(text)
    for each in document["findings"]:
        assert all(part in text for part in (each["message"], each["hint"], *(fact["value"] for fact in each["facts"])))
    assert document["ok"] is False
    assert document["counts"] == {"errors": 6, "warnings": 1, "accepted": 1, "locks": 1, "pins": 3, "wheels": 0}
    stale = document["findings"][0]
    assert (stale["pin"], stale["requires"]) == ("newcomer", None)
    [accepted] = document["accepted"]
    assert (accepted["rule"], accepted["pin"], accepted["until"]) == ("lock-orphan", "left", "2999-12-31")
    assert document["waited"] == [WAITED]
    assert as_json(project, "--locks-only")["counts"]["wheels"] is None
    assert as_json(project, "--ignore", "lock-stale")["ignored"] == ["lock-stale"]


# GitHub


def commands_in(text: str) -> Iterator[tuple[str, dict[str, str], str]]:
    """Yield what the runner of GitHub Actions, or an agent that reads `##[`, would take for a command, decoded."""
    for line in re.split(r"\r\n|[\n\r]", text):
        new = re.match(r"\s*::(?P<kind>[^ :]+)(?: (?P<properties>[^:]*(?::(?!:)[^:]*)*))?::(?P<data>.*)", line)
        old = re.search(r"##(?:\w*)\[(?P<kind>[^ \]]+)(?P<properties>[^\]]*)\](?P<data>.*)", line)
        for found in filter(None, (new, old)):
            pairs = (pair.partition("=") for pair in (found["properties"] or "").split(",") if pair)
            yield found["kind"], {name: decoded(value) for name, _, value in pairs}, decoded(found["data"])


def decoded(text: str) -> str:
    codes = (("%2C", ","), ("%3A", ":"), ("%0A", "\n"), ("%0D", "\r"), ("%25", "%"))
    for code, sign in codes:
        text = text.replace(code, sign)
    return text


@pytest.mark.parametrize("name", [name for name in HOSTILE if isinstance(name, str) and re.search("::|##", name)])
def test_the_control_finds_the_commands_that_are_hidden_in_names(name: str):
    lines = f"{name}::" if name.lstrip().startswith("::") else name.replace("\u2028", "\n").replace("\u200d", "")
    hidden = list(commands_in(decoded(lines)))
    assert hidden


def test_each_finding_is_one_annotation_beside_its_line(project: Project):
    result = project.call("check", "--format", "github")
    commands = list(commands_in(result.stdout))
    assert len(commands) == len(result.stdout.splitlines())
    document = as_json(project)
    assert [
        (kind, properties["title"], properties["file"], properties.get("line"), data.partition("\n")[0])
        for kind, properties, data in commands
        if kind != "notice"
    ] == [
        (each["severity"], each["rule"], each["path"], each["line"] and str(each["line"]), each["message"])
        for each in document["findings"]
    ]
    [(_, properties, data)] = [command for command in commands if command[0] == "notice"]
    assert properties["title"] == "lock-orphan (accepted until 2999-12-31)"
    assert "reason: it goes next week" in data
    assert "\nhint: run `lockhouse lock`" in commands[0][2]
    closing = project.call("check").stdout.splitlines()[-1]
    assert result.stderr.splitlines()[-1] == closing
    assert project.call("check", "--format", "github", "-q").stderr == ""


def test_what_is_sound_prints_nothing_where_annotations_are_read(project: Project):
    result = project.call("check", "--format", "github", "--select", "lock-python")
    assert result.stdout == "", result
    assert result.stderr.startswith("ok: "), result


@pytest.mark.parametrize("kind", ["repository", "worktree"])
def test_a_project_in_a_repository_is_named_from_its_top(tmp_path: Path, environ: dict[str, str], kind: str):
    top = Project(tmp_path / "repository", environ)
    assert top.execute("git", "init", "--quiet").status == 0
    if kind == "worktree":
        for argv in (["config", "user.email", "a@example.com"], ["config", "user.name", "a"]):
            top.execute("git", *argv)
        assert top.execute("git", "commit", "--allow-empty", "--quiet", "-m", "first").status == 0
        assert top.execute("git", "worktree", "add", "--quiet", "../other").status == 0
        top = Project(tmp_path / "other", environ)
    project = spoil(top.root / "services" / "app, no. 1:2")
    files = {properties["file"] for _, properties, _ in commands_in(project.call("check", "--format", "github").stdout)}
    names = ("requirements/main.in", "requirements/main.txt", "wheelhouse/notes.txt")
    assert files == {f"services/app, no. 1:2/{name}" for name in names}
    [run] = json.loads(project.call("check", "--format", "sarif").stdout)["runs"]
    uris = {result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in run["results"]}
    assert uris == {f"services/app%2C%20no.%201%3A2/{name}" for name in names}
    # In a document for programs, paths are the project's own.
    assert {each["path"] for each in as_json(project)["findings"]} == set(names)


def test_a_wheelhouse_elsewhere_is_named_as_it_is(project: Project, tmp_path: Path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "notes.txt").touch()
    project.write("pyproject.toml", "[tool.lockhouse]\nwheelhouse = '../shared'\n")
    said = project.call("check", "--format", "github", "--select", "wheel-extra")
    [(_, properties, _)] = commands_in(said.stdout)
    assert properties["file"] == (tmp_path / "shared" / "notes.txt").as_posix()
    [run] = json.loads(project.call("check", "--format", "sarif", "--select", "wheel-extra").stdout)["runs"]
    [result] = run["results"]
    place = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place == {"uri": (tmp_path / "shared" / "notes.txt").as_uri()}


# SARIF


def sarif(project: Project, *argv: str) -> Any:
    return json.loads(project.call("check", "--format", "sarif", *argv).stdout)


def test_the_log_is_sarif(project: Project):
    Draft4Validator.check_schema(SARIF)
    for argv in ([], ["--locks-only"], ["--select", "lock-python"]):
        Draft4Validator(SARIF).validate(sarif(project, *argv))
    # The control: the schema is one that refuses.
    log = sarif(project)
    log["runs"][0]["results"][0]["level"] = "grave"
    assert not Draft4Validator(SARIF).is_valid(log)


def test_the_log_describes_every_rule_with_its_page(project: Project):
    [run] = sarif(project)["runs"]
    driver = run["tool"]["driver"]
    assert driver["version"] == __version__
    assert [(rule["id"], rule["defaultConfiguration"]["level"]) for rule in driver["rules"]] == [
        (rule.name, rule.severity) for rule in RULES.values()
    ]
    for rule in driver["rules"]:
        assert "## How to mend it" in rule["help"]["markdown"]
        assert rule["fullDescription"]["text"]


def test_each_finding_is_one_result_and_an_accepted_one_is_suppressed(project: Project):
    [run] = sarif(project)["runs"]
    document = as_json(project)
    found = []
    for result in run["results"]:
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uriBaseId"] == "SRCROOT"
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        line = place.get("region", {}).get("startLine")
        found.append((result["ruleId"], result["level"], unquote(place["artifactLocation"]["uri"]), line))
        assert ("suppressions" in result) == (result["ruleId"] == "lock-orphan")
    assert found == [
        (each["rule"], each["severity"], each["path"], each["line"])
        for each in (*document["findings"], *document["accepted"])
    ]
    [suppression] = run["results"][-1]["suppressions"]
    assert suppression["kind"] == "external"
    assert suppression["status"] == "accepted"
    assert suppression["justification"].startswith("it goes next week: https://****@wiki.example.com/")
    assert suppression["properties"] == {"until": "2999-12-31"}


def test_a_uri_leads_to_the_very_file(project: Project):
    name = b"a b#c?d%e\xff[f].txt"
    Path((str(project.root / "wheelhouse").encode() + b"/" + name).decode(errors="surrogateescape")).touch()
    [run] = sarif(project, "--select", "wheel-extra")["runs"]
    uris = [result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in run["results"]]
    assert uris == ["wheelhouse/a%20b%23c%3Fd%25e%FF%5Bf%5D.txt", "wheelhouse/notes.txt"]


def test_text_in_a_result_makes_no_links(project: Project):
    project.write("wheelhouse/[here](elsewhere", "")
    texts = [result["message"]["text"] for result in sarif(project, "--select", "wheel-extra")["runs"][0]["results"]]
    assert not any("](" in text for text in texts)


def test_what_was_not_judged_is_a_notification(project: Project):
    project.write("requirements/dev.in", "")
    [run] = sarif(project)["runs"]
    note, waited = (said["message"]["text"] for said in run["invocations"][0]["toolExecutionNotifications"])
    assert note.startswith("without requirements/dev.txt")
    assert waited == WAITED
