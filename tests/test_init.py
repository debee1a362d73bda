"""`init` puts Lockhouse into other people's projects: what is missing is written, what is there stays, and `make install` works."""

import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import tomli
import yaml  # type: ignore[import-untyped]  # comes with pre-commit, and without types

from lockhouse import __version__
from support.backends import offer_lockhouse
from support.environment import clean_environ
from support.index import Index
from support.project import SCRIPTS, Project, Result
from support.venvs import installed
from support.wheels import build_wheel, sha256

SERIES = f"{sys.version_info.major}.{sys.version_info.minor}"
TOOL = "requirements/lockhouse.in"


@pytest.fixture
def plain(project: Project) -> Project:
    """A folder in which Lockhouse itself is no question: its source is there, and says what the user wants."""
    project.write(TOOL, "lockhouse>=0.0\n")
    return project


def done(result: Result) -> Result:
    assert result.status == 0, result
    return result


def init(project: Project, *options: str) -> Result:
    """Write what is proposed, and see that a second run has nothing to do."""
    first = done(project.call("init", "--yes", *options))
    before = project.tree(ignore=())
    again = done(project.call("init", "--yes", *options))
    assert again.stdout == "nothing to do: everything that init would write is there\n"
    assert project.tree(ignore=()) == before
    return first


def configured(project: Project) -> dict[str, object]:
    table = tomli.loads(project.read("pyproject.toml"))["tool"]["lockhouse"]
    assert isinstance(table, dict)
    assert table.pop("python") == SERIES
    return table


# What is asked, shown and written


def test_without_a_terminal_nothing_is_written_unasked(plain: Project):
    before = plain.tree()
    refused = plain.call("init")
    assert refused.status == 2
    assert "lockhouse init --yes" in refused.stderr
    del plain.environ["LOCKHOUSE_MAKE"]
    shown = done(plain.call("init", "--dry-run"))
    assert "+++ b/requirements/main.in\n" in shown.stdout
    assert "+include lockhouse.mk\n" in shown.stdout
    mk = (SCRIPTS / "lockhouse" / "lockhouse.mk").read_text(encoding="utf-8")
    assert "".join(f"+{line}\n" for line in mk.splitlines()) in shown.stdout, "what is shown is what is written"
    assert plain.tree() == before


@pytest.mark.parametrize(("answer", "status"), [("y", 0), ("n", 1), ("", 1)])
def test_on_a_terminal_the_difference_is_shown_and_then_asked_about(plain: Project, answer, status):
    ours, theirs = pty.openpty()
    environ = plain.environ | {"PYTHONPATH": str(SCRIPTS)}
    command = [sys.executable, "-m", "lockhouse", "init"]
    process = subprocess.Popen(command, cwd=plain.root, env=environ, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = b""

    def listen() -> None:
        nonlocal said
        while True:
            try:
                more = os.read(ours, 4096)
            except OSError:  # the other side is closed
                return
            if not more:
                return
            said += more

    listener = threading.Thread(target=listen)
    listener.start()
    os.write(ours, f"{answer}\n".encode())
    assert process.wait(60) == status, said
    listener.join()
    os.close(ours)
    assert b"+include lockhouse.mk" in said
    assert b"write these 5 files? [y/N]" in said
    assert (plain.root / "lockhouse.mk").exists() == (status == 0)


def test_an_empty_folder_is_told_where_to_begin(plain: Project):
    said = init(plain)
    assert plain.read("requirements/main.in").startswith("# What the project needs")
    assert configured(plain) == {}
    assert plain.read(".gitignore") == "wheelhouse/\n.venv/\n.lockhouse/\n"
    assert plain.read("lockhouse.mk") == (SCRIPTS / "lockhouse" / "lockhouse.mk").read_text(encoding="utf-8")
    assert not (plain.root / ".pre-commit-config.yaml").exists(), "this is no git repository"
    steps = said.stdout.partition("next:\n")[2]
    assert re.findall(r"^  (make \w+) ", steps, re.MULTILINE) == ["make lock", "make install"]
    assert plain.read(TOOL) == "lockhouse>=0.0\n"


def test_without_an_index_that_has_lockhouse_the_rest_is_done(project: Project):
    said = done(project.call("init", "--yes"))
    assert f"lockhouse=={__version__}\n" in project.read(TOOL)
    assert "`make` runs the lockhouse on the PATH" in said.stderr
    assert not (project.root / "requirements" / "lockhouse.txt").exists()
    assert project.call("init", "--yes").stdout.startswith("nothing to do")
    # What cannot be made is not tried at every turn.
    assert project.call("lock").status == 0


def test_requirement_files_become_sources_and_point_where_they_pointed(plain: Project):
    plain.write(
        "requirements.txt",
        "--index-url https://me:secret@pkgs.example.com/simple/\n# the framework\napp[more]>=1  # why\n-e .\n"
        "base \\\n    ==1.0\n-c constraints.txt\n./tools/x[y]\n",
    )
    plain.write("requirements-dev.txt", "-r requirements.txt\ntool\n")
    plain.write("docs-requirements.txt", "tool\r\n")
    plain.write("constraints.txt", "base<2\n")
    said = init(plain)
    assert plain.read("requirements/main.in") == (
        "# the framework\napp[more]>=1  # why\nbase \\\n    ==1.0\n-c ../constraints.txt\n"
    )
    assert plain.read("requirements/dev.in") == "-c main.txt\ntool\n"
    assert plain.read("requirements/docs.in") == "-c main.txt\r\ntool\r\n"
    table = configured(plain)
    assert table.pop("environments") == {"default": ["main", "dev", "docs"]}
    assert table in ({}, {"local": [".", "tools/x[y]"]})
    assert "--index-url of requirements.txt stays out" in said.stderr
    assert "secret" not in said.stdout + said.stderr


def test_hashed_files_are_locks_already(plain: Project, index: Index):
    wheel = build_wheel(index.directory, "app", "1.0")
    plain.write("requirements.txt", f"app==1.0 --hash=sha256:{sha256(wheel)}\n")
    plain.write("requirements-dev.txt", "-r requirements.txt\ntool\n")
    init(plain)
    assert configured(plain) == {
        "layers": {
            "main": {"lock": "requirements.txt", "sources": []},
            "dev": {"sources": ["requirements/dev.in"]},
        },
        "environments": {"default": ["main", "dev"]},
    }
    assert plain.read("requirements/dev.in") == "-c ../requirements.txt\ntool\n"


@pytest.mark.slow
def test_a_folder_of_requirement_files_becomes_sources_beside_their_locks(plain: Project, index: Index):
    for name in ("app", "tool"):
        build_wheel(index.directory, name, "1.0")
    plain.write("requirements/base.txt", "app\n")
    plain.write("requirements/local.txt", "-r base.txt\n\ntool==1.0\n")
    init(plain)
    assert plain.read("requirements/local.in") == "-c base.txt\n\ntool==1.0\n"
    assert configured(plain) == {"environments": {"default": ["base", "local"]}}
    done(plain.call("lock"))
    assert re.findall(r"^(\S+==\S+)", plain.read("requirements/base.txt"), re.MULTILINE) == ["app==1.0"]
    assert re.findall(r"^(\S+==\S+)", plain.read("requirements/local.txt"), re.MULTILINE) == ["tool==1.0"]
    done(plain.call("check", "--locks-only"))


def test_sources_beside_their_locks_stay_where_they_are(plain: Project):
    plain.write("requirements.in", "app\n")
    plain.write("requirements.txt", f"# This file is autogenerated by pip-compile with Python {SERIES}\napp==1.0\n")
    plain.write("dev-requirements.in", "-c requirements.txt\ntool\n")
    init(plain)
    assert configured(plain) == {
        "layers": {
            "main": {"lock": "requirements.txt", "sources": ["requirements.in"]},
            "dev": {"lock": "dev-requirements.txt", "sources": ["dev-requirements.in"]},
        }
    }


def test_pyproject_is_added_to_and_keeps_its_form(plain: Project):
    text = (
        "# ours\r\n[project]\r\nname='x'  # odd\r\ndependencies = ['app',]\r\noptional-dependencies.Dev = ['tool']\r\n"
        "[dependency-groups]\r\ndev = ['addon']\r\n[tool.lockhouse] # here\r\nvenv = 'env'\r\n\r\n[tool.other]\r\nx = 1"
    )
    plain.write("pyproject.toml", text)
    init(plain)
    after = plain.read("pyproject.toml")
    added = [line for line in after.split("\r\n") if line not in text.split("\r\n")]
    assert after == text.replace("# here\r\n", "# here\r\n" + "".join(f"{line}\r\n" for line in added))
    assert configured(plain) == {
        "venv": "env",
        "layers": {
            "main": {"sources": ["pyproject.toml"]},
            "dev": {"sources": ["pyproject.toml[dev]"], "constraints": ["main"]},
            "dev-group": {"sources": ["pyproject.toml:dev"], "constraints": ["main", "dev"]},
        },
        "environments": {"default": ["main", "dev", "dev-group"]},
    }
    assert plain.read(".gitignore").splitlines() == ["wheelhouse/", "env/", ".lockhouse/"]


def test_a_makefile_that_includes_an_installed_lockhouse_is_left_as_it_is(plain: Project):
    plain.write("Makefile", "include $(shell lockhouse --makefile)\n")
    init(plain)
    assert not (plain.root / "lockhouse.mk").exists()


def test_no_python_is_guessed_against_what_the_project_requires(plain: Project):
    plain.write("pyproject.toml", "[project]\nname = 'x'\nrequires-python = '<3.9'\ndependencies = ['app']\n")
    said = init(plain)
    assert "which Python the project is for is not plain" in said.stderr
    assert "python =" not in plain.read("pyproject.toml").partition("[tool.lockhouse]")[2]


def test_what_cannot_be_added_to_is_told_and_left_alone(plain: Project):
    plain.write("pyproject.toml", "tool = { other = 1 }\n")
    plain.write(".pre-commit-config.yaml", "{repos: []}\n")
    said = done(plain.call("init", "--yes"))
    assert "pyproject.toml: [tool.lockhouse] is written in a way that cannot be added to" in said.stderr
    assert f'python = "{SERIES}"' in said.stderr
    assert ".pre-commit-config.yaml: this list of hooks cannot be added to" in said.stderr
    assert plain.read("pyproject.toml") == "tool = { other = 1 }\n"
    assert plain.read(".pre-commit-config.yaml") == "{repos: []}\n"


@pytest.mark.parametrize(
    ("before", "kept"),
    [
        ("repos:\n- repo: https://code.example.com/a\n  rev: v1  # pinned\n  hooks: [{id: a}]\n\n# the end\n", None),
        ("# ours\nrepos:\n  -   repo: local\n      hooks: []\nci:\n  skip: [a]\n", None),
        ("repos: []  # none\n", "repos:  # none\n"),
        ("repos:", "repos:"),
    ],
)
def test_the_hook_is_added_to_those_there_are(plain: Project, before, kept):
    plain.write(".pre-commit-config.yaml", before)
    init(plain)
    after = plain.read(".pre-commit-config.yaml")
    there = iter(after.splitlines())
    assert all(line in there for line in (kept or before).splitlines()), "lines are gone, or in another order"
    old, new = yaml.safe_load(before), yaml.safe_load(after)
    assert new | {"repos": new["repos"][:-1]} == old | {"repos": old["repos"] or []}
    assert new["repos"][-1]["hooks"][0]["id"] == "lockhouse-check"
    assert new["repos"][-1]["hooks"][0]["entry"] == "make --silent lockhouse-check-locks"


def test_a_git_repository_gets_a_hook_file(plain: Project):
    plain.write(".git/HEAD", "ref: refs/heads/main\n")
    init(plain)
    [entry] = yaml.safe_load(plain.read(".pre-commit-config.yaml"))["repos"]
    assert entry["hooks"][0]["id"] == "lockhouse-check"
    assert re.search(entry["hooks"][0]["files"], "requirements/main.in")


@pytest.mark.parametrize(
    ("name", "text", "prefix"),
    [
        ("Makefile", "all:\n\techo install: check\n", ""),
        ("Makefile", "all check :: x\n\ttrue\n", "lockhouse-"),
        ("makefile", "key := 1\ninstall:=2\nlock != x\n.PHONY: all\n", ""),
        ("GNUmakefile", "include more/*.mk\n", "lockhouse-"),
        ("Makefile", "a \\\n  install: ; true", "lockhouse-"),
    ],
)
def test_no_target_of_the_user_is_taken(plain: Project, name, text, prefix):
    plain.write(name, text)
    plain.write("more/x.mk", "wheelhouse: ; true\n")
    said = init(plain)
    after = plain.read(name)
    assert after.startswith(text)
    assert ("LOCKHOUSE_PREFIX := lockhouse-\ninclude lockhouse.mk" in after) == bool(prefix)
    assert after.endswith("include lockhouse.mk" + "\n" * text.endswith("\n"))
    assert f"  make {prefix}install " in said.stdout
    assert "warning" not in plain.execute("make", "--dry-run", f"{prefix}check").stderr


def test_only_force_replaces_a_file_and_only_one_of_ours(plain: Project):
    plain.write("Makefile", "# theirs\ninclude lockhouse.mk\n")
    plain.write("lockhouse.mk", "# of another version\n")
    plain.write("requirements/main.in", "app\n")
    plain.write(".github/workflows/lockhouse.yml", "# theirs\n")
    kept = done(plain.call("init", "--yes", "--ci", "github"))
    assert "lockhouse.mk is not the one that comes with Lockhouse" in kept.stderr
    assert plain.read("lockhouse.mk") == "# of another version\n"
    before = plain.tree()
    done(plain.call("init", "--yes", "--force", "--ci", "github"))
    after = plain.tree()
    assert {path for path in before if before[path] != after[path]} == {"lockhouse.mk", TOOL}


def test_advice_names_the_command_that_there_is(plain: Project):
    plain.write("requirements/main.in", "app\n")
    for environ, command in (
        ({"LOCKHOUSE_MAKE": "make "}, "make lock"),
        ({"LOCKHOUSE_MAKE": "make lockhouse-"}, "make lockhouse-lock"),
    ):
        assert f"hint: run `{command}`" in plain.call("check", env=environ).stdout
    del plain.environ["LOCKHOUSE_MAKE"]
    assert "hint: run `lockhouse lock`" in plain.call("check").stdout


# Six projects: `init`, then the install target works


def _requirements_only(project: Project) -> None:
    project.write("requirements.txt", "app\n")
    project.write("requirements-dev.txt", "-r requirements.txt\ntool\n")


def _extras(project: Project) -> None:
    text = "[project]\nname = 'mine'\nversion = '1'\ndependencies = ['app']\noptional-dependencies.dev = ['tool']\n"
    project.write("pyproject.toml", text)


def _groups(project: Project) -> None:
    text = "[dependency-groups]\ntest = ['tool', {include-group = 'base'}]\nbase = ['app']\n"
    project.write("pyproject.toml", text)


def _pip_compile(project: Project) -> None:
    project.write("requirements/main.in", "app\n")
    project.write("requirements/dev.in", "-c main.txt\ntool\n")
    project.write("requirements/docs.in", "base\n")
    for name in ("main", "dev", "docs"):
        command = (sys.executable, "-m", "piptools", "compile", "--quiet", "--allow-unsafe", "--generate-hashes")
        options = ("--no-emit-index-url", "--no-emit-trusted-host", "--strip-extras")
        done(project.execute(*command, *options, f"--output-file=requirements/{name}.txt", f"requirements/{name}.in"))
    project.write("Makefile", "default:\n\t@echo theirs\n")


def _their_makefile(project: Project) -> None:
    project.write("requirements.txt", "app==1.0\ntool\n")
    project.write("Makefile", "install:\n\t@echo their install\n.ONESHELL:\ncheck:\n\t@echo their check\n")


def _empty(project: Project) -> None:
    """Nothing is there."""


SAMPLES: dict[str, tuple[Callable[[Project], None], set[str]]] = {
    "requirements-only": (_requirements_only, {"app", "base", "tool"}),
    "extras": (_extras, {"app", "base", "tool"}),
    "groups": (_groups, {"app", "base", "tool"}),
    "pip-compile": (_pip_compile, {"app", "base", "tool"}),
    "their-makefile": (_their_makefile, {"app", "base", "tool"}),
    "empty": (_empty, set()),
}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is on the index: `app`, which needs `base`, `tool`, and Lockhouse with all it needs."""
    folder = tmp_path_factory.mktemp("published")
    build_wheel(folder, "app", "1.0", requires=["base"])
    for name in ("base", "tool"):
        build_wheel(folder, name, "1.0")
    with Index(folder) as index:
        offer_lockhouse(index)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("sample", SAMPLES)
def test_after_init_the_install_target_works(published: Path, tmp_path: Path, sample):
    with Index(published) as index:
        environ = clean_environ(tmp_path / "home")
        environ |= {"PIP_INDEX_URL": index.url, "LOCKHOUSE_PYTHON": sys.executable}
        del environ["LOCKHOUSE_MAKE"]
        project = Project(tmp_path / "project", environ)
        prepare, expected = SAMPLES[sample]
        prepare(project)
        said = done(project.run("init", "--yes"))
        before = project.tree()
        assert project.run("init", "--yes").stdout.startswith("nothing to do"), sample
        assert project.tree() == before
        assert f"lockhouse=={__version__}" in project.read("requirements/lockhouse.txt")
        steps = re.findall(r"^  make ([\w-]+) ", said.stdout, re.MULTILINE)
        prefix = "lockhouse-" if sample == "their-makefile" else ""
        assert steps == [
            f"{prefix}{step}" for step in (["install"] if sample == "pip-compile" else ["lock", "install"])
        ]
        for step in steps:
            done(project.execute("make", step))
        assert set(installed(project.root / ".venv")) == expected
        assert set(installed(project.root / ".lockhouse" / "tools")) >= {"lockhouse", "pip-tools"}
        assert not list((project.root / "wheelhouse").glob("lockhouse-*"))
        index.reset_log()
        done(project.execute("make", f"{prefix}install"))
        assert not index.requests
        hook = done(project.execute("make", "--silent", "lockhouse-check-locks"))
        assert "lock" in hook.stdout
        if sample == "their-makefile":
            assert project.execute("make", "check").stdout == "their check\n"
            project.write("requirements/main.in", "app==1.0\nbase\ntool\n# more\nmissing\n")
            stale = project.execute("make", "lockhouse-check")
            assert "hint: run `make lockhouse-lock`" in stale.stdout
        elif sample == "pip-compile":
            assert project.execute("make").stdout == "theirs\n"


@pytest.mark.slow
def test_lockhouse_itself_is_moved_by_its_source(published: Path, tmp_path: Path):
    with Index(published) as index:
        project = Project(tmp_path / "project", clean_environ(tmp_path / "home") | {"PIP_INDEX_URL": index.url})
        project.write("requirements/main.in", "app\n")
        project.write(TOOL, "tool==1.0\n")
        assert "there is no layer 'lockhouse'" in project.call("check", "lockhouse").stderr
        refused = project.call("lock", "-P", "lockhouse")
        assert refused.status == 2
        assert "write its new version into requirements/lockhouse.in, then run `make lock`" in refused.stderr
        said = done(project.call("lock"))
        assert "lockhouse.txt" not in said.stdout, "it is first made where that is asked for"
        done(project.call("lock", "lockhouse"))
        assert "tool==1.0" in project.read("requirements/lockhouse.txt")
        assert "tool" not in project.read("requirements/main.txt")
        project.write(TOOL, "base==1.0\n")
        found = project.call("lock", "--check")
        assert found.status == 1
        assert "requirements/lockhouse.in:1: lock-stale" in found.stdout
        done(project.call("lock"))
        assert "base==1.0" in project.read("requirements/lockhouse.txt")
        assert done(project.call("lock", "--check")).stdout == ""
        assert "is fresh already" in project.call("lock", "lockhouse").stdout
