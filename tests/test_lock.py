"""Locking: what is stale is recompiled and nothing else is touched, and the lock is what plain pip-compile writes."""

import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.environment import clean_environ
from support.index import Fault, Index
from support.project import Project, Result
from support.venvs import make_venv, require_python
from support.wheels import build_sdist, build_wheel, sha256

MAIN, DEV = "requirements/main.txt", "requirements/dev.txt"


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """What was there when the locks were made, and the newer releases: `app` depends on `base`, its extra on `addon`."""
    folders = {age: tmp_path_factory.mktemp(age) for age in ("old", "new")}
    for folder, version in zip(folders.values(), ("1.0", "2.0"), strict=True):
        build_wheel(folder, "app", version, requires=["base"], extras={"more": ["addon"]})
        build_wheel(folder, "base", version)
        build_wheel(folder, "addon", version)
    build_sdist(folders["old"], "base", "1.0")
    build_wheel(folders["old"], "tool", "1.0", requires=["base"])
    return folders


@pytest.fixture(scope="session")
def locks(shelf: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The files of two layers that were locked when only the old releases were there."""
    root = tmp_path_factory.mktemp("locks")
    with Index(shelf["old"]) as index:
        project = Project(root / "project", clean_environ(root / "home") | {"PIP_INDEX_URL": index.url})
        project.write("requirements/main.in", "app\n")
        project.write("requirements/dev.in", "-c main.txt\ntool\n")
        result = project.run("lock")
    assert result.status == 0, result
    return {path: project.read(path) for path in project.tree()}


@pytest.fixture
def project(project: Project, index: Index, shelf: Mapping[str, Path]) -> Project:
    """An empty project; the index has the old releases."""
    # An index that is down is down: pip need not try again, each time later.
    project.environ["PIP_RETRIES"] = "0"
    shutil.copytree(shelf["old"], index.directory, dirs_exist_ok=True)
    return project


@pytest.fixture
def locked(project: Project, locks: Mapping[str, str], index: Index, shelf: Mapping[str, Path]) -> Project:
    """Two locked layers; the index has the new releases by now."""
    shutil.copytree(shelf["new"], index.directory, dirs_exist_ok=True)
    for path, text in locks.items():
        project.write(path, text)
    return project


def pins(project: Project, path: str = MAIN) -> list[str]:
    return re.findall(r"^([a-z][^\s\\]*)", project.read(path), re.MULTILINE)


def said(result: Result) -> str:
    return result.stdout + result.stderr


# The first lock


def test_a_first_lock_makes_every_layer_with_its_bases_first(project: Project, index: Index):
    project.write("requirements/a.in", "-c main.txt\n-c dev.txt\naddon\n")
    project.write("requirements/dev.in", "-c main.txt\ntool\n")
    project.write("requirements/main.in", "app[more]\n")
    result = project.call("lock")
    assert result.status == 0, result
    places = [result.stderr.index(f"locking {layer}\n") for layer in ("main", "dev", "a")]
    assert places == sorted(places)
    assert pins(project) == ["addon==1.0", "app[more]==1.0", "base==1.0"]
    assert pins(project, DEV) == ["base==1.0", "tool==1.0"]
    assert "-c requirements/main.txt" in project.read(DEV)
    assert project.read(MAIN).count("--hash=sha256:") == 4, "base has a wheel and an sdist"
    assert "  base  - -> 1.0\n" in result.stdout
    index.reset_log()
    again = project.call("lock")
    assert again.status == 0
    assert again.stdout.endswith("; 3 fresh already\n")
    assert again.stderr == ""
    assert not index.requests


def test_a_layer_may_ask_for_nothing(project: Project):
    project.write("requirements/main.in", "# nothing yet\n")
    assert project.call("lock").status == 0
    assert pins(project) == []
    assert project.call("lock", "--check").status == 0


@pytest.mark.parametrize(
    ("lock", "sources", "configured", "state"),
    [
        (MAIN, ["requirements/main.in"], "", "anew"),
        (MAIN, ["requirements/main.in"], "", "again"),
        (
            "services/the api/locked.txt",
            ["services/the api/app.in", "services/more.in"],
            """[tool.lockhouse.layers.api]
            lock = 'services/the api/locked.txt'
            sources = ['services/the api/app.in', 'services/more.in']
            """,
            "anew",
        ),
    ],
    ids=["anew", "again", "elsewhere"],
)
def test_the_lock_is_what_the_command_in_its_header_writes(project: Project, lock, sources, configured, state):
    project.write("pyproject.toml", configured)
    for source, text in zip(sources, ("app[more]\n", "tool\n"), strict=False):
        project.write(source, text)
    result = project.call("lock")
    assert result.status == 0, result
    ours = (project.root / lock).read_bytes()
    command = shlex.split(ours.decode().splitlines()[4].removeprefix("#"))
    assert command[0] == "pip-compile"
    # Options that Renovate and Dependabot know.
    assert {word.partition("=")[0] for word in command if word.startswith("-")} == {
        "--allow-unsafe",
        "--generate-hashes",
        "--no-emit-index-url",
        "--output-file",
    }
    (project.root / "pyproject.toml").unlink()
    if state == "anew":
        (project.root / lock).unlink()
    plain = project.execute(sys.executable, "-m", "piptools", "compile", *command[1:])
    assert plain.status == 0, plain
    if configured:
        # pip-compile does not quote the paths of its own header line; a shell needs that, and ours is the one that runs.
        ours, theirs = (_below_header(data) for data in (ours, (project.root / lock).read_bytes()))
        assert ours == theirs
    else:
        assert (project.root / lock).read_bytes() == ours


def _below_header(data: bytes) -> bytes:
    return b"".join(line for line in data.splitlines(keepends=True) if b"pip-compile --" not in line)


def test_no_line_of_the_lock_says_where_things_come_from(project: Project, index: Index):
    url = index.url.replace("http://", "http://me:secret@")
    project.environ["PIP_INDEX_URL"] = "http://127.0.0.1:9/simple/"
    project.environ["PIP_TRUSTED_HOST"] = "pkgs.example.com"
    project.write("folder/.keep", "")
    project.write(
        "requirements/main.in",
        f"--index-url {url}\n--extra-index-url {url}\n--find-links ../folder\n--trusted-host 127.0.0.1\napp\n",
    )
    result = project.call("lock", "-v")
    assert result.status == 0, result
    assert pins(project) == ["app==1.0", "base==1.0"]
    lock = project.read(MAIN)
    assert not [line for line in lock.splitlines() if line.startswith("-")]
    assert "secret" not in lock + said(result)
    assert index.host not in lock


def test_options_for_pip_tools_itself_are_not_read(project: Project):
    project.write("requirements/main.in", "app\n")
    project.write("pyproject.toml", "[tool.pip-tools]\nannotate = false\nstrip-extras = true\nheader = false\n")
    assert project.call("lock").status == 0
    assert "# via app" in project.read(MAIN)
    assert "autogenerated" in project.read(MAIN)


# What is stale and what is not


@pytest.mark.parametrize(
    ("source", "expected", "rule"),
    [
        ("app\naddon\n", ["addon==2.0", "app==1.0", "base==1.0"], "lock-stale"),
        ("app[more]\n", ["addon==2.0", "app[more]==1.0", "base==1.0"], "lock-stale"),
        ("app>=2\n", ["app==2.0", "base==1.0"], "lock-stale"),
        ("base\n", ["base==1.0"], "lock-orphan"),
    ],
    ids=["added", "extra", "tightened", "removed"],
)
def test_a_changed_requirement_is_noticed_and_no_other_pin_moves(locked: Project, index, source, expected, rule):
    before = locked.tree()
    locked.write("requirements/main.in", source)
    check = locked.call("lock", "--check")
    assert check.status == 1
    assert f": {rule}: " in check.stdout
    assert not index.requests, "--check asks nobody"
    result = locked.call("lock")
    assert result.status == 0, result
    assert pins(locked) == expected
    assert index.requests
    after = locked.tree()
    assert {path for path in after if before[path] != after[path]} == {MAIN, "requirements/main.in"}
    assert locked.call("lock", "--check").status == 0
    index.reset_log()
    assert locked.call("lock").status == 0
    assert locked.tree() == after
    assert not index.requests


@pytest.mark.parametrize(
    "source",
    [
        "app\n",
        "# a comment\n\nApp  >=1 , <3\n",
        "app\naddon ; python_version < '3'\n",
        "-r other.in\n",
        "app\nbase==1.0\n",
    ],
)
def test_a_change_that_the_pins_already_satisfy_asks_nobody(locked: Project, index: Index, source):
    locked.write("requirements/other.in", "app\n")
    locked.write("pyproject.toml", "[tool.lockhouse.layers]\nmain = {}\ndev = {}\n")
    locked.write("requirements/main.in", source)
    before = locked.tree()
    result = locked.call("lock")
    assert result.status == 0, result
    assert locked.tree() == before
    assert not index.requests


def test_a_named_layer_is_locked_alone(locked: Project, locks: Mapping[str, str]):
    locked.write("requirements/main.in", "app\naddon\n")
    locked.write("requirements/dev.in", "-c main.txt\ntool\naddon\n")
    assert locked.call("lock", "dev").status == 0
    assert locked.read(MAIN) == locks[MAIN]
    assert pins(locked, DEV) == ["addon==2.0", "base==1.0", "tool==1.0"]


def test_a_base_that_moves_takes_what_builds_on_it_along(locked: Project):
    locked.write("requirements/main.in", "app\nbase>=2\n")
    result = locked.call("lock", "-v")
    assert result.status == 0, result
    assert "base==2.0" in pins(locked)
    assert "base==2.0" in pins(locked, DEV)
    assert result.stdout.count("  base  1.0 -> 2.0 ") == 2
    assert "lock-stale" in result.stderr, "-v says why"


def test_layers_that_disagree_are_brought_together(locked: Project, shelf: Mapping[str, Path]):
    digest = sha256(shelf["new"] / "base-2.0-py3-none-any.whl")
    pin = f"base==2.0 \\\n    --hash=sha256:{digest}\n    # via app\n"
    locked.write(MAIN, re.sub(r"base==1\.0 (.*\n){4}", pin, locked.read(MAIN)))
    assert pins(locked) == ["app==1.0", "base==2.0"]
    check = locked.call("lock", "dev", "--check")
    assert "requirements/dev.txt" in check.stdout
    assert locked.call("lock", "dev").status == 0
    assert "base==2.0" in pins(locked, DEV)


def _unhashed(text: str) -> str:
    return re.sub(r"(app==1\.0) \\\n.*\n", r"\1\n", text)


def _weak(text: str) -> str:
    return re.sub(r"(app==1\.0 \\\n).*\n", rf"\1    --hash=md5:{'0' * 32}\n", text)


def _loose(text: str) -> str:
    return re.sub(r"app==1\.0 \\\n.*\n", "app<2\n", text)


@pytest.mark.parametrize("spoil", [_unhashed, _weak, _loose])
def test_a_lock_that_is_not_exact_or_not_hashed_is_mended(project: Project, locks: Mapping[str, str], spoil):
    for path, text in locks.items():
        project.write(path, text)
    project.write(MAIN, spoil(locks[MAIN]))
    assert project.read(MAIN) != locks[MAIN]
    assert project.call("check", "--locks-only").status == 1
    assert project.call("lock").status == 0
    assert project.read(MAIN) == locks[MAIN]


def test_a_lock_that_a_bot_has_edited_is_fresh(locked: Project, index: Index, shelf: Mapping[str, Path]):
    digest = sha256(shelf["new"] / "app-2.0-py3-none-any.whl")
    locked.write(MAIN, re.sub(r"app==1\.0 \\\n.*\n", f"app==2.0 \\\n    --hash=sha256:{digest}\n", locked.read(MAIN)))
    before = locked.tree()
    assert locked.call("lock").status == 0
    assert locked.tree() == before
    assert not index.requests


def test_newlines_stay_as_they_are(locked: Project):
    locked.write(MAIN, locked.read(MAIN).replace("\n", "\r\n"))
    locked.write("requirements/main.in", "app\r\naddon\r\n")
    assert locked.call("lock").status == 0
    text = locked.read(MAIN)
    assert pins(locked) == ["addon==2.0", "app==1.0", "base==1.0"]
    assert text.count("\n") == text.count("\r\n") > 10


# Upgrades


def test_an_upgrade_moves_everything_and_says_what(locked: Project):
    result = locked.call("lock", "--upgrade")
    assert result.status == 0, result
    assert pins(locked) == ["app==2.0", "base==2.0"]
    assert pins(locked, DEV) == ["base==2.0", "tool==1.0"]
    assert "main: 2 pins moved\n  app   1.0 -> 2.0\n  base  1.0 -> 2.0\n" in result.stdout
    assert "dev: 1 pin moved\n  base  1.0 -> 2.0\n" in result.stdout


def test_a_named_project_moves_alone_and_in_every_layer(locked: Project):
    result = locked.call("lock", "-P", "Base")
    assert result.status == 0, result
    assert pins(locked) == ["app==1.0", "base==2.0"]
    assert pins(locked, DEV) == ["base==2.0", "tool==1.0"]


def test_an_upgrade_leaves_layers_alone_that_do_not_pin_it(locked: Project, index: Index):
    before = locked.tree()
    result = locked.call("lock", "--upgrade-package", "tool")
    assert result.status == 0
    assert "locking main" not in result.stderr
    assert "dev: 0 pins moved" in result.stdout
    assert locked.tree() == before


def test_what_is_gone_is_in_the_table(locked: Project):
    locked.write("requirements/main.in", "base\n")
    assert "  app  1.0 -> gone\n" in locked.call("lock").stdout


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("bsae", ["no lock pins bsae", "did you mean 'base'?"]),
        ("zzz", ["no lock pins zzz", "the locks pin: app, base, tool"]),
        ("base==2", ["'base==2' is not a project's name", "without a version"]),
    ],
)
def test_an_upgrade_of_what_nobody_pins_is_wrong_usage(locked: Project, index: Index, word, words):
    result = locked.call("lock", "-P", word)
    assert result.status == 2
    for part in words:
        assert part in result.stderr
    assert not index.requests


# Failures


def _down(project: Project, index: Index) -> str:
    index.stop()
    return "Connection refused"


def _unknown(project: Project, index: Index) -> str:
    project.write("requirements/main.in", "app\nno-such-project\n")
    return "No matching distribution found for no-such-project"


def _conflict(project: Project, index: Index) -> str:
    project.write("requirements/main.in", "app\nbase<2\nbase>=2\n")
    return "The user requested base>=2"


def _wrong_password(project: Project, index: Index) -> str:
    index.auth = ("me", "right")
    project.environ["PIP_INDEX_URL"] = index.url.replace("http://", "http://me:s%C3%A9cret@")
    return "401"


def _signed_url(project: Project, index: Index) -> str:
    project.write(
        "requirements/main.in", "app\nbase @ http://me:s%C3%A9cret@127.0.0.1:9/base-1.0.zip?sig=s%C3%A9cret\n"
    )
    return "Connection refused"


def _broken_sdist(project: Project, index: Index) -> str:
    (index.directory / "zeta-1.0.tar.gz").write_bytes(b"no archive at all")
    project.write("requirements/main.in", "app\nzeta\n")
    return "zeta"


@pytest.mark.parametrize(
    "spoil",
    [
        *(_down, _conflict),
        *(
            pytest.param(each, marks=pytest.mark.slow)
            for each in (_unknown, _wrong_password, _signed_url, _broken_sdist)
        ),
    ],
)
def test_where_pip_compile_fails_the_old_lock_stands_and_the_reason_is_said(locked: Project, index, spoil):
    reason = spoil(locked, index)
    before = locked.tree()
    result = locked.call("lock", "--upgrade")
    assert result.status == 1
    assert "error: pip-compile could not lock 'main', and requirements/main.txt stays as it was:\n" in result.stderr
    assert reason in result.stderr
    assert "Traceback" not in result.stderr
    assert "File " not in result.stderr
    assert "cret" not in said(result)
    assert locked.tree() == before


@pytest.mark.slow
def test_what_was_locked_before_a_failure_stays_locked(locked: Project, locks: Mapping[str, str]):
    locked.write("requirements/main.in", "app\naddon\n")
    locked.write("requirements/dev.in", "-c main.txt\ntool\nno-such-project\n")
    result = locked.call("lock")
    assert result.status == 1
    assert pins(locked) == ["addon==2.0", "app==1.0", "base==1.0"]
    assert locked.read(DEV) == locks[DEV]
    assert locked.call("lock", "main", "--check").status == 0


def test_what_cannot_be_said_of_pip_compile_is_shown_as_it_is(locked: Project, monkeypatch):
    # Broken tools: a pip-tools that cannot even start.
    locked.write("requirements/main.in", "app\naddon\n")
    locked.environ["PIP_DEFAULT_TIMEOUT"] = "soon"
    before = locked.tree()
    result = locked.call("lock")
    assert result.status == 1
    assert "soon" in result.stderr
    assert locked.tree() == before


def test_a_lock_for_another_python_is_refused(locked: Project, index: Index):
    python = require_python(3, 12) if sys.version_info[:2] != (3, 12) else require_python(3, 11)
    make_venv(locked.root / ".venv", python)
    assert locked.call("lock").status == 0, "nothing is to be locked"
    locked.write("requirements/main.in", "app\naddon\n")
    before = locked.tree("requirements")
    result = locked.call("lock")
    assert result.status == 1
    assert f"and Lockhouse runs on 3.{sys.version_info.minor}" in result.stderr
    assert "hint: run Lockhouse with Python 3.1" in result.stderr
    assert locked.tree("requirements") == before
    assert not index.requests


def test_a_lock_for_another_python_than_the_configured_is_refused(locked: Project, index: Index):
    locked.write("pyproject.toml", "[tool.lockhouse]\npython = '3.99'\n")
    assert locked.call("lock").status == 0, "nothing is to be locked"
    locked.write("requirements/main.in", "app\naddon\n")
    before = locked.tree()
    result = locked.call("lock")
    assert result.status == 1
    assert "the target has Python 3.99" in result.stderr
    assert "`language_version: python3.99`" in result.stderr
    assert (locked.tree(), index.requests) == (before, [])


@pytest.mark.slow
def test_a_lock_moves_to_another_python_only_on_purpose(locked: Project, index: Index):
    ours = f"3.{sys.version_info.minor}"
    # The later layer alone is stale, and the first alone was compiled by another Python.
    locked.write(MAIN, locked.read(MAIN).replace(f"with Python {ours}", "with Python 3.99"))
    assert locked.call("lock").status == 0, "nothing is to be locked"
    locked.write("requirements/dev.in", "-c main.txt\ntool\naddon\n")
    before = locked.tree()
    for argv in ((), ("--upgrade-package", "base")):
        result = locked.call("lock", *argv)
        assert result.status == 1
        assert f"{MAIN}:1: the lock was compiled for Python 3.99, Lockhouse runs on {ours}" in result.stderr
        assert f'`python = "3.99"` to stay, or `python = "{ours}"` to move' in result.stderr
        assert (locked.tree(), index.requests) == (before, [])
    locked.write("pyproject.toml", f"[tool.lockhouse]\npython = '{ours}'\n")
    assert locked.call("lock").status == 0
    locked.write("pyproject.toml", "")
    locked.write(MAIN, locked.read(MAIN).replace(f"with Python {ours}", "with Python 3.99"))
    assert locked.call("lock", "--upgrade").status == 0
    assert f"with Python {ours}" in locked.read(MAIN)


# What takes part


def test_a_password_in_the_index_url_works_and_is_shown_nowhere(locked: Project, index: Index):
    index.auth = ("me", "s/cret?")
    locked.environ["PIP_INDEX_URL"] = index.url_with_password
    locked.write("requirements/main.in", "app\naddon\n")
    result = locked.call("lock", "-v")
    assert result.status == 0, result
    assert f"main: asked http://****@{index.host}/simple/\n" in result.stderr
    assert "cret" not in said(result) + locked.read(MAIN)


@pytest.mark.slow
def test_signed_urls_behind_the_index_are_shown_nowhere(locked: Project, index: Index):
    index.redirect = True
    locked.write("requirements/main.in", "app\naddon\n")
    assert locked.call("lock", "-v").status == 0
    index.fault = lambda request: Fault(status=500) if request.role == "blob" else None
    locked.write("requirements/main.in", "app>=2\naddon\n")
    result = locked.call("lock", "-v")
    assert result.status == 1
    assert index.signatures
    assert not [signature for signature in index.signatures if signature in said(result) + locked.read(MAIN)]
    assert "sig=" not in said(result)


@pytest.mark.slow
def test_find_links_of_the_project_take_part_and_stand_nowhere(locked: Project, index: Index):
    folder = locked.root / "ours"
    build_wheel(folder, "special", "3.0")
    locked.write("pyproject.toml", "[tool.lockhouse]\nfind-links = ['ours']\n")
    locked.write("requirements/main.in", "app\nspecial\n")
    result = locked.call("lock")
    assert result.status == 0, result
    assert pins(locked) == ["app==1.0", "base==1.0", "special==3.0"]
    assert "ours" not in locked.read(MAIN)


# What only the wheels tell


@pytest.fixture
def housed(locked: Project) -> Project:
    """The two layers, whose wheels are here."""
    assert locked.call("wheelhouse").status == 0
    return locked


def without_annotations(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("    #"))


def test_a_pin_that_only_a_wheel_requires_is_locked_again(housed: Project):
    for path in (MAIN, DEV):
        spoiled, count = re.subn(r"^base==.*\n(?:    .*\n)*", "", housed.read(path), flags=re.MULTILINE)
        assert count == 1
        housed.write(path, spoiled)
    stale = housed.call("lock", "--check")
    assert stale.status == 1
    for pin in ("app==1.0", "tool==1.0"):
        assert f"dependency-missing: {pin} requires 'base'" in stale.stdout, stale
    result = housed.call("lock")
    assert result.status == 0, result
    assert pins(housed) == ["app==1.0", "base==2.0"]
    assert pins(housed, DEV) == ["base==2.0", "tool==1.0"]
    assert housed.call("wheelhouse").status == 0
    assert housed.call("lock", "--check").status == 0
    assert housed.call("check").status == 0


def test_an_extra_that_a_lock_does_not_keep_is_locked_again(housed: Project):
    text = without_annotations(housed.read(MAIN)).replace("pip-compile", "pip-compile --strip-extras")
    housed.write(MAIN, text)
    assert housed.call("lock", "--check").status == 0
    housed.write("requirements/main.in", "app[more]\n")
    # Without the wheels nobody can tell that something is missing; with them, they say it.
    assert "dependency-missing" in housed.call("lock", "--check").stdout
    result = housed.call("lock", "main")
    assert result.status == 0, result
    assert pins(housed)[0].startswith("addon==")


def test_what_nothing_needs_goes_where_the_lock_does_not_say_why_it_is_there(housed: Project):
    housed.write(MAIN, without_annotations(housed.read(MAIN)))
    housed.write("requirements/main.in", "base\n")
    housed.write("requirements/dev.in", "tool\n")
    result = housed.call("lock", "main")
    assert result.status == 0, result
    assert pins(housed) == ["base==1.0"]


def test_an_altered_wheel_makes_no_lock_stale(housed: Project, index: Index):
    for wheel in (housed.root / "wheelhouse").glob("*.whl"):
        wheel.write_bytes(b"")
    index.reset_log()
    assert housed.call("lock").status == 0
    assert not index.requests


def test_what_a_wheel_requires_and_the_project_accepts_makes_no_lock_stale(housed: Project):
    for path in (MAIN, DEV):
        housed.write(path, re.sub(r"^base==.*\n(?:    .*\n)*", "", housed.read(path), flags=re.MULTILINE))
    entry = "[[tool.lockhouse.accept]]\nrule = 'dependency-missing'\npin = '{}'\nrequires = 'base'\nreason = 'x'\nuntil = {}\n"
    housed.write("pyproject.toml", "".join(entry.format(name, "2999-12-31") for name in ("app", "tool")))
    assert housed.call("lock", "--check").status == 0
    housed.write("pyproject.toml", "".join(entry.format(name, "2001-01-01") for name in ("app", "tool")))
    assert housed.call("lock", "--check").status == 1
