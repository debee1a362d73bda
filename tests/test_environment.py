"""An environment is compared with the wheels, file by file: whatever is spoiled in a sound one is found, and mended."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lockhouse.layout import Layout, inside, script_text
from support.engines import BOTH, require_engine
from support.environment import clean_environ
from support.features import behaviour, deep_findings, features_project
from support.locks import write_layer_of
from support.project import Project
from support.venvs import installed, interpreter, make_venv, site_packages
from support.wheels import build_wheel, flip_byte
from support.worlds import printed

SERIES = f"{sys.version_info[0]}.{sys.version_info[1]}"
INFO = "odd_name-1.0.dist-info"


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with an environment that is as it should be, which tests copy."""
    root = tmp_path_factory.mktemp("made")
    project = features_project(root / "project", clean_environ(root / "home"))
    result = project.run("install", "--engine", "pip")
    assert result.status == 0, result
    return project


@pytest.fixture
def ready(made: Project, tmp_path: Path, environ: dict[str, str]) -> Project:
    shutil.copytree(made.root, tmp_path / "ready", symlinks=True)
    return Project(tmp_path / "ready", environ)


def judged(project: Project, *argv: str) -> list[tuple[str, str]]:
    result = project.call("check", *argv, "--env")
    assert result.status in {0, 1}, result
    return printed(result.stdout)


def packages_of(project: Project) -> Path:
    return site_packages(project.root / ".venv")


def info(project: Project, name: str = INFO) -> str:
    return (packages_of(project) / name).relative_to(project.root).as_posix()


def test_the_sound_environment_has_no_findings_and_nothing_is_done_to_it(ready: Project):
    before = ready.tree(ignore=())
    assert judged(ready) == []
    assert ready.tree(ignore=()) == before
    result = ready.call("install")
    assert result.stdout.startswith(".venv: 0 added, 0 changed, 0 removed, 4 packages in all")
    assert ready.tree(ignore=()) == before


# Spoiled in one place


def _gone(packages: Path) -> None:
    (packages / "odd_name" / "__init__.py").unlink()


def _folder_gone(packages: Path) -> None:
    shutil.rmtree(packages / "odd_name")


def _longer(packages: Path) -> None:
    with (packages / "odd_pure.py").open("a", encoding="utf-8") as file:
        file.write("\n")


def _linked_out(packages: Path) -> None:
    outside = packages.parents[3] / "outside"
    shutil.move(packages / "odd_name", outside)
    (packages / "odd_name").symlink_to(outside)


def _file_linked_out(packages: Path) -> None:
    outside = packages.parents[3] / "outside"
    outside.mkdir()
    shutil.move(packages / "odd_pure.py", outside / "odd_pure.py")
    (packages / "odd_pure.py").symlink_to(outside / "odd_pure.py")


def _script_gone(packages: Path) -> None:
    (packages.parents[2] / "bin" / "odd-says").unlink()


def _data_gone(packages: Path) -> None:
    (packages.parents[2] / "share" / "odd" / "data.txt").unlink()


def _header_longer(packages: Path) -> None:
    header = packages.parents[2] / "include" / "site" / f"python{SERIES}" / "odd-name" / "odd.h"
    header.write_text("int much_odder;\n", encoding="utf-8")


def _no_metadata(packages: Path) -> None:
    (packages / INFO / "METADATA").unlink()


def _no_record(packages: Path) -> None:
    (packages / INFO / "RECORD").unlink()


def _empty_info(packages: Path) -> None:
    shutil.rmtree(packages / INFO)
    (packages / INFO).mkdir()


def _another_version(packages: Path) -> None:
    (packages / INFO).rename(packages / "odd_name-0.9.dist-info")
    metadata = packages / "odd_name-0.9.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text(encoding="utf-8").replace("1.0", "0.9"), encoding="utf-8")
    record = packages / "odd_name-0.9.dist-info" / "RECORD"
    record.write_text(record.read_text(encoding="utf-8").replace(INFO, "odd_name-0.9.dist-info"), encoding="utf-8")


def _twice(packages: Path) -> None:
    shutil.copytree(packages / INFO, packages / "odd_name-0.9.dist-info")


def _direct(packages: Path) -> None:
    url = {"url": "https://me:secret@pkgs.example.com/odd_name-1.0-py3-none-any.whl?sig=abc", "archive_info": {}}
    (packages / INFO / "direct_url.json").write_text(json.dumps(url), encoding="utf-8")


def _editable(packages: Path) -> None:
    shutil.rmtree(packages / "odd_name")
    url = {"url": "file:///src/odd", "dir_info": {"editable": True}}
    (packages / INFO / "direct_url.json").write_text(json.dumps(url), encoding="utf-8")


def _record_leads_out(packages: Path) -> None:
    _gone(packages)
    precious = packages.parents[3] / "precious"
    precious.write_text("mine", encoding="utf-8")
    with (packages / INFO / "RECORD").open("a", encoding="utf-8") as file:
        file.write(f"../../../../precious,,\n{precious},,\n../../../bin/python,,\n../../../pyvenv.cfg,,\n")
        # As deep as file systems take it, and not there.
        file.write(f"{'d/' * 1500}x,,\n")


SPOILT: dict[Callable[[Path], None], str] = {
    _gone: "odd_name/__init__.py is missing",
    _folder_gone: "odd_name/__init__.py is missing",
    _longer: "odd_pure.py has 7 bytes, not 6",
    _linked_out: "odd_name/__init__.py is missing",
    _file_linked_out: "odd_pure.py is a link, not a file",
    _script_gone: "bin/odd-says is missing",
    _data_gone: "share/odd/data.txt is missing",
    _header_longer: "odd.h has 16 bytes, not 9",
    _no_metadata: "does not name its project",
    _no_record: "has no RECORD",
    _empty_info: "does not name its project",
    _another_version: "odd-name 0.9 is installed, 1.0 is locked",
    _twice: "it is there 2 times: odd_name-0.9.dist-info, odd_name-1.0.dist-info",
    _direct: "it was installed from https://****@pkgs.example.com/odd_name-1.0-py3-none-any.whl?****",
    _editable: "it was installed as editable, from file:///src/odd",
    _record_leads_out: "odd_name/__init__.py is missing",
}


# Mended in every run of the tests; the others with the slow ones.
QUICK = {_gone, _linked_out, _another_version, _record_leads_out}


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__.strip("_"))
def test_whatever_is_spoiled_is_found(ready: Project, spoil):
    spoil(packages_of(ready))
    before = ready.tree()
    result = ready.call("check", "--env")
    assert ready.tree() == before
    assert result.status == 1, result
    findings = printed(result.stdout)
    assert {rule for rule, _ in findings} - {"env-extra"} == {"env-differs"}, result
    assert SPOILT[spoil] in result.stdout
    assert "secret" not in result.stdout


@pytest.mark.parametrize(
    ("spoil", "engine"),
    [
        *((spoil, "auto") for spoil in SPOILT if spoil in QUICK),
        *(pytest.param(spoil, engine, marks=pytest.mark.slow) for spoil in SPOILT for engine in BOTH),
    ],
)
def test_whatever_is_spoiled_is_mended(ready: Project, made: Project, spoil, engine: str):
    require_engine(engine, ready.root.parent / "home")
    spoil(packages_of(ready))
    outside = {path: path.read_bytes() for path in ready.root.rglob("outside/*") if path.is_file()}
    mended = ready.call("install", "--engine", engine)
    assert mended.status == 0, mended
    assert "0 added, 1 changed, 0 removed" in mended.stdout
    assert judged(ready) == []
    # Nothing outside was touched, through links or by a RECORD.
    assert {path: path.read_bytes() for path in outside} == outside
    assert not (ready.root / "precious").exists() or ready.read("precious") == "mine"
    assert behaviour(ready, ready.root / ".venv") == behaviour(made, made.root / ".venv")


def test_bytes_of_the_right_size_are_seen_by_a_deep_look(ready: Project):
    venv = ready.root / ".venv"
    # A copied environment still names the one that it was copied from.
    assert deep_findings(ready, venv) == ["odd-name==1.0: bin/odd-script holds other bytes"]
    script = venv / "bin" / "odd-script"
    script.write_bytes(script_text(script.read_bytes(), interpreter(venv)))
    assert deep_findings(ready, venv) == []
    flip_byte(packages_of(ready) / "plain" / "__init__.py")
    (packages_of(ready) / "plain" / "evil.py").write_text("x = 1\n", encoding="utf-8")
    where = packages_of(ready).relative_to(venv)
    assert sorted(deep_findings(ready, venv)) == [
        "no project owns this",
        f"plain==1.0: {where}/plain/__init__.py holds other bytes",
    ]


# What is there too much


def test_what_no_lock_asks_for_is_reported_and_removed_with_all_its_files(ready: Project):
    house = ready.root / "other" / "wheelhouse"
    other = Project(ready.root / "other", ready.environ)
    files = {"extra/deep/mod.py": "x = 1\n", "space/three.py": "", "extra-1.0.data/data/share/extra/x": "x"}
    write_layer_of(other, build_wheel(house, "extra", "1.0", files=files, entry_points={"extra": "extra:x"}))
    before = ready.tree(".venv")
    venv = ready.root / ".venv"
    assert other.call("install", "--engine", "pip", "--keep-extra", "--env", str(venv)).status == 0
    assert len(installed(venv)) == 5
    ready.execute(interpreter(venv), "-c", "import extra, extra.deep.mod, space.three")
    assert judged(ready) == [("env-extra", info(ready, "extra-1.0.dist-info"))]
    kept = ready.call("install", "--keep-extra")
    assert "0 removed" in kept.stdout
    result = ready.call("install")
    assert result.status == 0, result
    assert result.stdout.splitlines()[1:] == ["  - extra 1.0"]
    # Nothing of it stays, no byte code and no empty folder either; what shares a namespace with it stands.
    assert ready.tree(".venv") == before


def test_pip_and_setuptools_may_stay_where_no_lock_asks_for_them(ready: Project):
    packages = packages_of(ready)
    for name in ("pip", "setuptools"):
        (packages / f"{name}-1.0.dist-info").mkdir()
        (packages / f"{name}-1.0.dist-info" / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n", encoding="utf-8")
    assert judged(ready) == []
    assert ready.call("install").stdout.startswith(".venv: 0 added, 0 changed, 0 removed, 4 packages")


def test_files_of_nobody_are_reported_and_left_to_the_user(ready: Project):
    packages = packages_of(ready)
    (packages / "mine.pth").write_text("/src\n", encoding="utf-8")
    (packages / "~lain-1.0.dist-info").mkdir()
    (packages / "~lain-1.0.dist-info" / "METADATA").write_text("Name: plain\nVersion: 1.0\n", encoding="utf-8")
    where = packages.relative_to(ready.root)
    assert judged(ready) == [("env-extra", f"{where}/mine.pth"), ("env-extra", f"{where}/~lain-1.0.dist-info")]
    result = ready.call("install")
    assert result.status == 0, result
    assert f"note: no project owns {where}/mine.pth; it was left as it is" in result.stderr
    assert (packages / "mine.pth").exists()


@pytest.mark.parametrize("kind", ["egg-info", "egg-link", "dist-info"])
def test_what_nobody_can_remove_stops_an_install_before_it_begins(ready: Project, kind: str):
    packages = packages_of(ready)
    if kind == "egg-link":
        (packages / "old.egg-link").write_text("/src/old\n.", encoding="utf-8")
    else:
        (packages / f"old-1.0.{kind}").mkdir()
        (packages / f"old-1.0.{kind}" / ("METADATA" if kind == "dist-info" else "PKG-INFO")).write_text(
            "Name: old\nVersion: 1.0\n", encoding="utf-8"
        )
    (packages / "plain" / "__init__.py").unlink()
    assert {rule for rule, _ in judged(ready)} == {"env-extra", "env-differs"}
    before = ready.tree()
    result = ready.call("install")
    assert result.status == 1, result
    assert "cannot be removed from .venv" in result.stderr
    assert "--keep-extra" in result.stderr
    assert ready.tree() == before
    assert ready.call("install", "--keep-extra", "--engine", "pip").status == 0


def test_a_file_that_two_projects_list_stays_with_the_one_that_stays(ready: Project):
    packages = packages_of(ready)
    folder = packages / "extra-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Name: extra\nVersion: 1.0\n", encoding="utf-8")
    (folder / "RECORD").write_text("plain/__init__.py,,\nextra-1.0.dist-info/RECORD,,\n", encoding="utf-8")
    assert ready.call("install").status == 0
    assert judged(ready) == []


# Where there is no environment, or another one


def test_an_environment_that_is_not_there_is_one_finding(ready: Project):
    shutil.rmtree(ready.root / ".venv")
    assert judged(ready) == [("env-missing", ".venv")]
    assert judged(ready, "--strict") == [("env-missing", ".venv")]


def test_an_environment_that_an_install_was_killed_in_is_one_finding_and_made_anew(ready: Project):
    ready.write(".venv/.lockhouse/unfinished", f"{Path(sys.executable).resolve()}\n")
    ready.write(".venv/half", "x")
    assert judged(ready) == [("env-differs", ".venv")]
    result = ready.call("install", "--engine", "pip")
    assert result.status == 0, result
    assert "anew: an install into it was never finished" in result.stderr
    assert "4 added" in result.stdout
    assert not (ready.root / ".venv" / "half").exists()
    assert judged(ready) == []


def test_a_named_environment_is_judged_and_installed_into_in_place_of_the_usual_one(ready: Project):
    other = make_venv(ready.root / "an other")
    before = ready.tree(".venv", ignore=())
    result = ready.call("check", "--env", "an other")
    assert result.status == 1, result
    assert [rule for rule, _ in printed(result.stdout)] == ["env-missing"] * 4
    assert "hint: run `lockhouse install --env 'an other'`" in result.stdout
    assert ready.call("install", "--engine", "pip", "--env", "an other").status == 0
    assert ready.call("check", "--env", "an other").status == 0
    assert len(installed(other)) == 4
    assert ready.tree(".venv", ignore=()) == before


def test_words_that_are_no_environment_are_refused(ready: Project):
    result = ready.call("check", "--env", "main")
    assert result.status == 2
    assert "hint: to judge the usual one by that layer: `lockhouse check main --env`" in result.stderr
    assert ready.call("check", "main", "--env").status == 0
    assert "do not go together" in ready.call("check", "--locks-only", "--env").stderr
    for folder in (".", ".."):
        assert "must be a directory of its own" in ready.call("install", "--env", folder).stderr


def test_the_running_environment_is_changed_only_where_it_is_named(ready: Project):
    ready.write("pyproject.toml", f"[tool.lockhouse]\nvenv = '{sys.prefix}'\n")
    result = ready.call("install")
    assert result.status == 2
    assert f"hint: if you mean it, name it: `--env {sys.prefix}`" in result.stderr


def test_an_environment_that_cannot_be_written_to_is_an_error(ready: Project):
    shutil.rmtree(ready.root / ".venv" / ".lockhouse")
    ready.write(".venv/.lockhouse", "a file")
    result = ready.call("install")
    assert result.status == 1
    assert "cannot be written to" in result.stderr


# Where things land


def test_a_wheel_that_would_replace_the_interpreter_is_refused(ready: Project):
    wheel = build_wheel(ready.root / "wheelhouse", "bad", "1.0", files={"bad-1.0.data/scripts/python": "#!python\n"})
    write_layer_of(ready, *(ready.root / "wheelhouse").glob("*.whl"))
    assert f"{wheel.stem.partition('-')[0]}==" in ready.read("requirements/main.txt")
    before = ready.tree()
    result = ready.call("install")
    assert result.status == 1, result
    assert "would write bin/python, which belongs to the environment itself" in result.stderr
    assert ready.tree() == before


def test_what_belongs_to_the_environment_itself_is_known(tmp_path: Path):
    layout = Layout.of(tmp_path, "3.11")
    for path in ("bin/python", "bin/python3", "bin/python3.11", "pyvenv.cfg", ".lockhouse/lock"):
        assert layout.protects(inside(path) or pytest.fail(path)), path
    for path in ("bin/python-config", "bin/ruff", "share/pyvenv.cfg", "lib/python3.11/site-packages/python"):
        assert not layout.protects(inside(path) or pytest.fail(path)), path
    (tmp_path / "lib" / "python3.13t").mkdir(parents=True)
    assert Layout.of(tmp_path, "3.13").packages == "lib/python3.13t/site-packages"


@pytest.mark.parametrize("path", ["..", ".", "../x", "/etc/passwd", "a/../../x", "a\0b"])
def test_a_path_that_leads_out_is_none(path: str):
    assert inside(path) is None


@pytest.mark.parametrize("folder", ["plain", "with space", "long" * 40, "with 'quote\" $x `y` \\z"])
def test_a_script_s_first_line_works_wherever_the_environment_is(tmp_path: Path, folder: str):
    python = tmp_path / folder / "python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    script = tmp_path / "script"
    script.write_bytes(script_text(b"#!python -u\nimport sys\nprint(sys.argv[1:], sys.executable)\n", python))
    script.chmod(0o755)
    done = Project(tmp_path, {}).execute(script, "a b")
    assert done.stdout == f"['a b'] {python}\n", done
