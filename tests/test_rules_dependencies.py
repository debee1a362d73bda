"""The pins of an environment are a complete and consistent solution, or the wheel that says otherwise is named."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName

from lockhouse.metadata import Metadata
from support import worlds
from support.project import Project
from support.wheels import build_wheel, sha256
from support.worlds import HOUSE, MAIN, MAIN_IN, Entry

Wheels = Mapping[str, tuple[str, Sequence[str], Mapping[str, Sequence[str]]]]


@pytest.fixture
def project(tmp_path: Path, environ: dict[str, str]) -> Project:
    return Project(tmp_path / "project", environ)


def sound(project: Project, sources: Mapping[str, str], wheels: Wheels, *, strip: bool = False) -> None:
    """Write one layer a source; each lock pins every wheel, with the extras that its source asks for unless stripped.

    A key of `wheels` is a name, or `layer:name`; a value is the version, what it requires, and its extras.
    """
    for layer, text in sources.items():
        project.write(f"requirements/{layer}.in", text)
        entries = []
        for key, (version, requires, offers) in wheels.items():
            of, _, name = key.rpartition(":")
            if of and of != layer:
                continue
            wheel = build_wheel(project.root / HOUSE, name, version, requires=requires, extras=offers)
            lines = {line.name: line for line in map(Requirement, text.splitlines())}
            extras = ",".join(sorted(lines[name].extras)) if name in lines and not strip else ""
            pin = f"{name}[{extras}]=={version}" if extras else f"{name}=={version}"
            via = f"-r requirements/{layer}.in" if name in lines else "app"
            entries.append(Entry(pin=pin, hashes=(f"sha256:{sha256(wheel)}",), via=(via,)))
        command = " --strip-extras" if strip else ""
        header = worlds.header(layer).replace("--allow-unsafe", f"--allow-unsafe{command}")
        project.write(f"requirements/{layer}.txt", worlds.lock_text(entries, header))


def found(project: Project, *argv: str) -> list[tuple[str, str]]:
    return [(rule, where.rpartition("/")[2]) for rule, where in worlds.printed(project.call("check", *argv).stdout)]


def block(project: Project) -> str:
    """Return what is printed about the first finding, without its place."""
    text = project.call("check").stdout
    return text[: text.index("\n  hint:")].partition(": ")[2]


@pytest.mark.parametrize(
    "wheels",
    [
        pytest.param({"app": ("1", ["core>=1.9"], {}), "core": ("1.10", [], {})}, id="1.10-is-above-1.9"),
        pytest.param(
            {"app": ("1", ["core"], {}), "core": ("2.0rc1", [], {})}, id="a-pre-release-was-locked-on-purpose"
        ),
        pytest.param(
            {"app": ("1", ["Co_Re~=1.4"], {}), "co-re": ("1.5+local", [], {})}, id="spelling-and-local-version"
        ),
        pytest.param({"app": ("1", ["gone ; python_version < '3'"], {})}, id="a-marker-that-is-false"),
        pytest.param({"app": ("1", [], {"fast": ["gone"]})}, id="an-extra-that-nobody-asks-for"),
        pytest.param({"app": ("1", ["gone ; extra == 'a' and sys_platform == 'none'"], {})}, id="two-conditions"),
        pytest.param({"app": ("1", ["core[nope]"], {}), "core": ("1", [], {})}, id="an-extra-that-does-not-exist"),
        pytest.param({"app": ("1", ["core"], {}), "core": ("1", ["app"], {})}, id="a-circle"),
        pytest.param({"app": ("1", ["app[fast]"], {"fast": ["core"]}), "core": ("1", [], {})}, id="an-extra-of-itself"),
    ],
)
def test_a_complete_lock_has_no_finding(project: Project, wheels: Wheels):
    sound(project, {"main": "app\n"}, wheels)
    result = project.call("check", "--strict")
    assert result.status == 0, result
    assert found(project) == []


@pytest.mark.parametrize(
    ("app", "source", "rule"),
    [
        pytest.param(("1", ["gone"], {}), "app", "dependency-missing", id="plain"),
        pytest.param(
            ("1", ["gone ; python_version >= '3'"], {}), "app", "dependency-missing", id="a-marker-that-is-true"
        ),
        pytest.param(
            ("1", ["gone ; extra == 'a' or sys_platform != 'none'"], {}), "app", "dependency-missing", id="or"
        ),
        pytest.param(("1", [], {"fast": ["gone"]}), "app[fast]", "dependency-missing", id="an-extra-of-a-source"),
        pytest.param(
            ("1", [], {"Fast_One": ["gone"]}), "app[fast.one]", "dependency-missing", id="an-extra-spelt-otherwise"
        ),
        pytest.param(("1", ["core[big]"], {}), "app", "dependency-missing", id="an-extra-of-a-wheel"),
        pytest.param(("1", ["core<1.10"], {}), "app", "dependency-unsatisfied", id="not-above-1.10"),
        pytest.param(("1", ["core!=1.10"], {}), "app", "dependency-unsatisfied", id="excluded"),
        pytest.param(("1", [], {"old": ["core<1"]}), "app[old]", "dependency-unsatisfied", id="only-with-the-extra"),
        pytest.param(
            ("1", ["core @ https://pkgs.example.com/c.whl"], {}), "app", "dependency-unsatisfied", id="by-url"
        ),
    ],
)
@pytest.mark.parametrize("strip", [False, True], ids=["kept", "stripped"])
def test_what_is_wanting_is_one_finding_at_the_pin_that_wants_it(project, app, source, rule, strip):
    wheels: Wheels = {"app": app, "core": ("1.10", [], {"big": ["gone"]})}
    sound(project, {"main": f"{source}\ncore\n"}, wheels, strip=strip)
    wanting = "core" if "core[big]" in app[1] else "app"
    [(said, where)] = found(project)
    line = project.read(MAIN).splitlines()[int(where.partition(":")[2]) - 1]
    assert (said, line.partition("=")[0].partition("[")[0]) == (rule, wanting)


def test_what_is_missing_is_said_with_its_facts(project: Project):
    sound(project, {"main": "app[fast]>=1\n"}, {"app": ("1.0", [], {"fast": ["turbo>=2"]})})
    assert block(project) == (
        """dependency-missing: app==1.0 requires 'turbo>=2; extra == "fast"', and nothing that is installed with it pins that\n"""
        "  wheel: app-1.0-py3-none-any.whl\n"
        f"  extra: fast, asked for by app[fast] ({MAIN}:7)"
    )


def test_what_is_unsatisfied_is_said_with_both_pins(project: Project):
    sound(project, {"main": "app\n"}, {"app": ("1.0", ["core>=2"], {}), "core": ("1.10", [], {})})
    assert block(project) == (
        "dependency-unsatisfied: app==1.0 requires 'core>=2', and core is pinned to 1.10\n"
        "  wheel: app-1.0-py3-none-any.whl\n"
        f"  pin:   {MAIN}:10"
    )


def test_an_environment_is_judged_by_what_is_installed_with_it(project: Project):
    wheels: Wheels = {"main:app": ("1", ["core"], {}), "dev:core": ("1", [], {})}
    sound(project, {"main": "app\n", "dev": "core\n"}, wheels)
    assert found(project) == [("dependency-missing", "main.txt:7")]
    project.write("pyproject.toml", '[tool.lockhouse]\nenvironments = { default = ["main", "dev"] }\n')
    assert found(project) == []
    # Alone, it would be installed without what the other gives.
    assert found(project, "main") == [("dependency-missing", "main.txt:7")]


def test_a_pin_that_nothing_needs_is_named_by_the_top_of_its_tree(project: Project):
    wheels: Wheels = {
        "app": ("1", [], {}),
        "top": ("1", ["middle"], {}),
        "middle": ("1", ["bottom"], {}),
        "bottom": ("1", [], {}),
        "round": ("1", ["about"], {}),
        "about": ("1", ["round"], {}),
    }
    sound(project, {"main": "app\n"}, wheels)
    lines = project.read(MAIN).splitlines()
    tops = [f"main.txt:{number}" for number, line in enumerate(lines, 1) if line.startswith(("top=", "about="))]
    assert found(project) == [("pin-unreachable?", where) for where in tops]
    assert project.call("check").status == 0
    assert project.call("check", "--strict").status == 1


def test_pins_of_a_lock_without_sources_are_all_wanted(project: Project):
    sound(project, {"main": "app\n"}, {"app": ("1", ["core"], {}), "core": ("1", [], {}), "more": ("1", [], {})})
    (project.root / MAIN_IN).unlink()
    project.write("pyproject.toml", f'[tool.lockhouse.layers]\napp = {{ lock = "{MAIN}", sources = [] }}\n')
    assert found(project) == []


@pytest.mark.parametrize("spoiled", ["loose", "vcs", "missing", "mismatch"])
def test_where_a_pin_has_no_wheel_the_dependency_rules_wait(project: Project, spoiled: str):
    sound(project, {"main": "app\ncore\n"}, {"app": ("1", ["gone"], {}), "core": ("1", [], {})})
    wheel = project.root / HOUSE / "core-1-py3-none-any.whl"
    if spoiled == "loose":
        project.write(MAIN, project.read(MAIN).replace("core==1", "core>=1"))
    elif spoiled == "vcs":
        project.write(MAIN, project.read(MAIN) + "gone @ git+https://code.example.com/gone.git\n")
    elif spoiled == "missing":
        wheel.unlink()
    else:
        wheel.write_bytes(b"")
    result = project.call("check")
    assert not [rule for rule, _ in worlds.printed(result.stdout) if rule.startswith("dependency")], result
    assert result.stdout.splitlines()[-1].endswith("; the dependency rules wait until every pin has its wheel")


def test_a_stale_lock_is_not_also_called_incomplete(project: Project):
    sound(project, {"main": "app\n"}, {"app": ("1", [], {"fast": ["gone"]})})
    project.write(MAIN_IN, "app[fast]\n")
    project.write(MAIN, project.read(MAIN).replace("app==1", "app[slow]==1"))
    assert found(project) == [("lock-stale", "main.in:1")]


def test_a_secret_in_a_wheels_own_words_is_not_repeated(project: Project):
    url = "https://user:hunter2@pkgs.example.com/core-1-py3-none-any.whl"
    sound(project, {"main": "app\n"}, {"app": ("1", [f"core @ {url}"], {})})
    result = project.call("check")
    assert "dependency-missing" in result.stdout
    assert "hunter2" not in result.stdout


@pytest.mark.parametrize(
    ("text", "extras", "expected"),
    [
        ("a", set(), ["a"]),
        ('a ; extra == "x"', set(), []),
        ('a ; extra == "X_y"', {"x-y"}, ["a"]),
        ('a ; "x" == extra', set(), ["a"]),
        ("a ; (extra=='x') and python_version>'3'", {"y"}, []),
        ('a ; extra == "x" or extra == "y"', set(), ["a"]),
        ('a ; extra != "x"', set(), ["a"]),
        ('a @ https://code.example.com/x.whl?extra=="x" ; extra == "z"', set(), []),
    ],
)
def test_requirements_that_cannot_matter_are_not_even_read(text: str, extras: set[NormalizedName], expected: list[str]):
    metadata = Metadata.parse(f"Name: x\nVersion: 1\nRequires-Dist: {text}\n\nbody")
    assert [requirement.name for requirement in metadata.requirements(extras)] == expected


def test_a_folded_requirement_is_one_line():
    assert Metadata.parse("Name: x\nRequires-Dist: a\n  >=1\n").requires == ("a >=1",)


def test_a_number_that_python_would_not_convert_is_a_broken_wheel(project: Project):
    sound(project, {"main": "app\n"}, {"app": ("1", [f"core>={'9' * 5000}"], {})})
    result = project.call("check")
    assert result.status == 1
    assert "wheel-broken: Requires-Dist cannot be read: a number of more than 1000 digits" in result.stdout
