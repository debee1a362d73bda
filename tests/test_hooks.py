"""The hooks for pre-commit: they run where git runs hooks, judge for the project's Python, and leave the repository alone.

The environment of the hooks is made by pre-commit itself, from this checkout and from the wheels in `wheelhouse/`.
"""

import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import click
import pytest
import yaml  # type: ignore[import-untyped]  # comes with pre-commit, and without types

from lockhouse.cli import cli
from support.backends import HOUSE
from support.environment import clean_environ
from support.index import Index
from support.project import SCRIPTS, Project, Result
from support.venvs import make_venv, require_python
from support.wheels import build_sdist, build_wheel

ROOT = Path(__file__).resolve().parents[1]
MANIFEST = ROOT / ".pre-commit-hooks.yaml"
PRE_COMMIT = (sys.executable, "-m", "pre_commit")
IDENTITY = {
    **dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "somebody"),
    **dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "somebody@example.com"),
    "GIT_CONFIG_NOSYSTEM": "1",
    # pre-commit clones what the tests made, and virtualenv would look for newer seeds.
    "PRE_COMMIT_COLOR": "never",
    "VIRTUALENV_NO_PERIODIC_UPDATE": "1",
}
# An sdist whose code tells what it sees of git while pip-compile runs it.
SPY = """\
import os
from backend import build_wheel

try:
    with open({log!r}, "a", encoding="utf-8") as log:
        log.write(" ".join(sorted(name for name in os.environ if name.startswith("GIT_"))) + "\\n")
except OSError:
    pass  # A build writes nowhere but into its own folder.
"""
OURS = f"3.{sys.version_info.minor}"


def manifest() -> dict[str, Mapping[str, object]]:
    return {hook["id"]: hook for hook in yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))}


def git(project: Project, *argv: str | Path, cwd: Path | None = None) -> Result:
    return project.execute("git", *argv, cwd=cwd)


def committed(project: Project, *argv: str | Path) -> str:
    """Add everything and commit it past all hooks; return the commit."""
    for command in (("add", "--all"), ("commit", "--no-verify", "--quiet", "--message", "all", *argv)):
        assert (done := git(project, *command)).status == 0, done
    return git(project, "rev-parse", "HEAD").stdout.strip()


@pytest.fixture
def repository(project: Project) -> Project:
    """A git repository with one locked layer that asks for `app`."""
    project.environ |= IDENTITY
    assert git(project, "init", "--quiet").status == 0
    return project


@pytest.fixture
def shelf(index: Index) -> Index:
    """An index that has `app` and `tool`."""
    for name in ("app", "tool"):
        build_wheel(index.directory, name, "1.0")
    return index


# What is offered


def test_the_hooks_are_sound_and_run_commands_that_there_are(tmp_path: Path, environ: dict[str, str]):
    done = Project(tmp_path, environ).execute(*PRE_COMMIT, "validate-manifest", MANIFEST)
    assert done.status == 0, done
    assert set(manifest()) == {"lockhouse-check", "lockhouse-lock"}
    for hook in manifest().values():
        program, name, *options = shlex.split(str(hook["entry"]))
        command = cli.get_command(click.Context(cli), name)
        assert program == "lockhouse"
        assert command
        assert set(options) <= {flag for parameter in command.params for flag in parameter.opts}


@pytest.mark.parametrize("hook", ["lockhouse-check", "lockhouse-lock"])
def test_the_hooks_run_for_what_they_judge_and_for_nothing_else(hook):
    files = re.compile(str(manifest()[hook]["files"]))
    judged = [
        *("requirements/main.in", "requirements/main.txt", "requirements/built.sum", "requirements/build/docopt.in"),
        *("requirements/build/docopt.txt", "requirements/deep/er.txt", "pyproject.toml", "sub/pyproject.toml"),
        *("services/api/requirements/dev.in", "requirements.txt", "sub/dev-requirements.in", "requirements_lock.txt"),
        *("constraints.txt", "sub/constraints.in"),
    ]
    others = ["main.in", "README.md", "docs/requirements.md", "requirements/notes.md", "my_pyproject.toml", "a.txt"]
    assert [path for path in judged if not files.search(path)] == []
    assert [path for path in others if files.search(path)] == []


def test_the_page_names_the_hooks_that_there_are():
    [block] = re.findall(
        r"^```yaml [^\n]*\n(.*?)^```$",
        (ROOT / "docs/pre-commit.md").read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    [entry] = yaml.safe_load(block)["repos"]
    assert {hook["id"] for hook in entry["hooks"]} == set(manifest())


# What git tells its hooks


def test_the_projects_interpreter_is_not_told_of_the_repository(project: Project):
    python = make_venv(project.root / ".venv") / "bin" / "python"
    python.unlink()
    project.write(".venv/bin/python", f'#!/bin/sh\nenv > "$0.log"\nexec {sys.executable} "$@"\n').chmod(0o755)
    project.write("requirements/main.in", "")
    project.write("requirements/main.txt", "")
    told = {"GIT_INDEX_FILE": "i", "GIT_DIR": "d", "GIT_SSH_COMMAND": "ssh -i key"}
    assert project.call("check", "--locks-only", env=told).status == 0
    log = project.read(".venv/bin/python.log")
    assert re.findall("^GIT_.*", log, re.MULTILINE) == ["GIT_SSH_COMMAND=ssh -i key"]


@pytest.mark.slow
def test_what_a_hook_starts_does_not_take_the_repository_for_its_own(repository: Project, index: Index):
    log = repository.root.parent / "seen.log"
    spying = {"pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "spy"\nbackend-path = ["."]\n'}
    build_sdist(index.directory, "app", "1.0", style="in-tree", files={**spying, "spy.py": SPY.format(log=str(log))})
    repository.write("requirements/main.in", "# nothing yet\n")
    repository.write("requirements/main.txt", "")
    hook = f"#!/bin/sh\nenv | grep ^GIT_INDEX_FILE= >&2\nPYTHONPATH={SCRIPTS} exec {sys.executable} -m lockhouse lock\n"
    repository.write(".git/hooks/pre-commit", hook).chmod(0o755)
    committed(repository)
    repository.write("requirements/main.in", "app\n")
    done = git(repository, "commit", "--all", "--message", "more")
    assert "GIT_INDEX_FILE=" in done.stderr, "git says no more which index is being committed"
    assert done.status == 0, done
    assert "app==1.0" in repository.read("requirements/main.txt")
    seen = log.read_text(encoding="utf-8")
    assert seen, "pip-compile did not run the sdist"
    assert not {"GIT_DIR", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_WORK_TREE"} & set(seen.split())
    assert git(repository, "show", "--name-only", "--format=").stdout == "requirements/main.in\n"


# With pre-commit


@pytest.fixture(scope="module")
def offered(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, str]]:
    """The hooks as a repository that pre-commit knows, installed: its configuration's entry, and pre-commit's variables."""
    folder = tmp_path_factory.mktemp("offered")
    ours = Project(folder / "lockhouse", clean_environ(folder / "home") | IDENTITY)
    shutil.copytree(SCRIPTS, ours.root / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml"):
        shutil.copy(ROOT / name, ours.root)
    assert git(ours, "init", "--quiet").status == 0
    entry = f"repo: {ours.root}\n  rev: {committed(ours)}\n"
    user = Project(folder / "user", {**ours.environ, "PRE_COMMIT_HOME": str(folder / "store")})
    assert HOUSE.is_dir(), "run `make wheelhouse`: the hooks' environment is made of our own wheels"
    user.environ |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(HOUSE)}
    user.write(".pre-commit-config.yaml", configuration(entry, "lockhouse-check"))
    assert git(user, "init", "--quiet").status == 0
    done = user.execute(*PRE_COMMIT, "install-hooks")
    assert done.status == 0, done
    return entry, {"PRE_COMMIT_HOME": str(folder / "store")}


def configuration(entry: str, *hooks: str) -> str:
    """Return a .pre-commit-config.yaml with these hooks; a hook may have further lines of its own behind its name."""
    return f"repos:\n- {entry}  hooks:\n" + "".join(f"  - id: {hook}\n" for hook in hooks)


@pytest.fixture
def user(repository: Project, shelf: Index, offered: tuple[str, dict[str, str]]) -> Project:
    """A repository with one lock, all committed, whose commits run the check."""
    entry, environ = offered
    repository.environ |= environ
    repository.write("requirements/main.in", "app\n")
    assert repository.call("lock").status == 0
    repository.write(".pre-commit-config.yaml", configuration(entry, "lockhouse-check"))
    repository.write("notes.md", "one\n")
    committed(repository)
    done = repository.execute(*PRE_COMMIT, "install")
    assert done.status == 0, done
    return repository


def use(user: Project, offered: tuple[str, dict[str, str]], *hooks: str) -> None:
    user.write(".pre-commit-config.yaml", configuration(offered[0], *hooks))
    committed(user)


def outcome(result: Result) -> dict[str, str]:
    """Return what pre-commit says of each hook: Passed, Failed, Skipped."""
    return dict(re.findall(r"^([\w ]+?)\.+.*?(Passed|Failed|Skipped)$", result.stdout + result.stderr, re.MULTILINE))


@pytest.mark.slow
def test_the_check_stops_a_commit_whose_locks_are_stale_and_no_other(user: Project, shelf: Index):
    shelf.reset_log()
    user.write("requirements/main.in", "app\n# sound\n")
    done = git(user, "commit", "--all", "--message", "sound")
    assert (done.status, outcome(done)) == (0, {"lockhouse check": "Passed"}), done
    user.write("requirements/main.in", "app\ntool\n")
    done = git(user, "commit", "--all", "--message", "stale")
    assert (done.status, outcome(done)) == (1, {"lockhouse check": "Failed"}), done
    assert "requirements/main.in:2: lock-stale: 'tool' is asked for" in done.stderr
    user.write("notes.md", "two\n")
    done = git(user, "commit", "--message", "beside it", "notes.md")
    assert (done.status, outcome(done)) == (0, {"lockhouse check": "Skipped"}), done
    assert not shelf.requests
    done = user.execute(*PRE_COMMIT, "run", "--all-files")
    assert (done.status, outcome(done)) == (1, {"lockhouse check": "Failed"}), done


@pytest.mark.slow
def test_the_hooks_can_be_tried_without_being_configured(user: Project, offered):
    [repository] = re.findall(r"^repo: (.+)$", offered[0], re.MULTILINE)
    wheels = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(HOUSE)}
    tried = (*PRE_COMMIT, "try-repo", repository, "lockhouse-check", "--all-files")
    done = user.execute(*tried, env=wheels)
    assert (done.status, outcome(done)) == (0, {"lockhouse check": "Passed"}), done
    user.write("requirements/main.in", "app\ntool\n")
    done = user.execute(*tried, env=wheels)
    assert (done.status, outcome(done)) == (1, {"lockhouse check": "Failed"}), done
    assert "requirements/main.in:2: lock-stale: 'tool' is asked for" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("where", ["subdirectory", "worktree"])
def test_the_lock_hook_mends_what_is_stale_and_then_both_pass(user: Project, offered, where, tmp_path: Path):
    use(user, offered, "lockhouse-lock", "lockhouse-check")
    here = Project(user.root, user.environ)
    cwd = user.root / "docs" / "deep"
    if where == "worktree":
        assert git(user, "worktree", "add", "--quiet", tmp_path / "linked").status == 0
        here, cwd = Project(tmp_path / "linked", user.environ), tmp_path / "linked"
    cwd.mkdir(parents=True, exist_ok=True)
    before = user.tree(ignore=("__pycache__", ".git"))
    here.write("requirements/main.in", "app\ntool\n")
    done = git(here, "commit", "--all", "--message", "more", cwd=cwd)
    assert done.status == 1, done
    assert outcome(done) == {"lockhouse lock": "Failed", "lockhouse check": "Passed"}, done
    assert "files were modified by this hook" in done.stderr
    assert "tool  - -> 1.0" in done.stderr
    assert "tool==1.0" in here.read("requirements/main.txt")
    done = git(here, "commit", "--all", "--message", "more", cwd=cwd)
    assert (done.status, outcome(done)) == (0, {"lockhouse lock": "Passed", "lockhouse check": "Passed"}), done
    changed = git(here, "show", "--name-only", "--format=").stdout.split()
    assert changed == ["requirements/main.in", "requirements/main.txt"]
    assert git(here, "status", "--porcelain").stdout == ""
    assert git(here, "fsck", "--strict").status == 0
    if where == "worktree":
        assert user.tree(ignore=("__pycache__", ".git")) == before


@pytest.mark.slow
def test_what_is_staged_is_judged_and_not_what_lies_beside_it(user: Project):
    user.write("requirements/main.in", "app\ntool\n")
    assert git(user, "add", "--all").status == 0
    # Mended, but not staged: the commit would be stale all the same.
    assert user.call("lock").status == 0
    done = git(user, "commit", "--message", "half")
    assert (done.status, outcome(done)) == (1, {"lockhouse check": "Failed"}), done
    assert "tool==1.0" in user.read("requirements/main.txt"), "what was not staged is back"
    assert git(user, "commit", "--all", "--message", "whole").status == 0


@pytest.mark.slow
def test_a_project_in_a_subdirectory_is_named_by_an_argument(user: Project, offered):
    build = "lockhouse-check\n    args: [-C, sub/api]\n    files: ^sub/api/"
    user.write("sub/api/layers/all.in", "app\n")
    user.write(
        "sub/api/pyproject.toml", "[tool.lockhouse.layers.all]\nlock = 'all.lock'\nsources = ['layers/all.in']\n"
    )
    assert user.call("lock", "-C", "sub/api").status == 0
    use(user, offered, build)
    user.write("sub/api/layers/all.in", "app\ntool\n")
    user.write("requirements/main.in", "this project is not asked for !\n")
    done = git(user, "commit", "--all", "--message", "stale")
    assert (done.status, outcome(done)) == (1, {"lockhouse check": "Failed"}), done
    assert "layers/all.in:2: lock-stale: 'tool' is asked for" in done.stderr
    assert user.call("lock", "-C", "sub/api").status == 0
    done = git(user, "commit", "--all", "--message", "sound")
    assert (done.status, outcome(done)) == (0, {"lockhouse check": "Passed"}), done


@pytest.mark.slow
@pytest.mark.parametrize("said_by", ["configuration", "environment"])
def test_the_projects_python_counts_and_not_the_hooks(user: Project, offered, said_by, shelf: Index):
    other = (3, 12) if sys.version_info[:2] != (3, 12) else (3, 13)
    series = f"{other[0]}.{other[1]}"
    build_wheel(shelf.directory, "only", "1.0")
    if said_by == "environment":
        make_venv(user.root / ".venv", require_python(*other))
        user.write(".gitignore", ".venv\n")
    else:
        user.write("pyproject.toml", f"[tool.lockhouse]\npython = '{series}'\n")
    # Locked for the other Python: what only ours asks for is not there, and need not be.
    lock = user.read("requirements/main.txt").replace(f"with Python {OURS}", f"with Python {series}")
    user.write("requirements/main.txt", lock)
    use(user, offered, "lockhouse-lock", "lockhouse-check")
    user.write("requirements/main.in", f"app\nonly ; python_version == '{OURS}'\n")
    shelf.reset_log()
    done = git(user, "commit", "--all", "--message", "sound")
    assert (done.status, outcome(done)) == (0, {"lockhouse lock": "Passed", "lockhouse check": "Passed"}), done
    user.write("requirements/main.in", f"app\nonly ; python_version == '{series}'\n")
    before = user.tree(ignore=("__pycache__", ".git"))
    done = git(user, "commit", "--all", "--message", "stale")
    assert (done.status, outcome(done)) == (1, {"lockhouse lock": "Failed", "lockhouse check": "Failed"}), done
    assert f"the target has Python {series}, and Lockhouse runs on {OURS}" in done.stderr
    assert f"`language_version: python{series}`" in done.stderr
    assert user.tree(ignore=("__pycache__", ".git")) == before
    assert not shelf.requests
