"""Installing: exactly the checked wheels go into the environment, without an index, and nothing else takes part."""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lockhouse import plan
from lockhouse import project as projects
from lockhouse.config import load
from lockhouse.errors import LockhouseError, ProcessError, TargetError, WheelError
from lockhouse.handover import derived_requirements, links_page
from lockhouse.inspection import required_and_allowed
from lockhouse.install import Outcome, Request, install
from lockhouse.plan import Match
from lockhouse.target import of_environment, running
from lockhouse.wheelhouse import Wheelhouse
from support.engines import BOTH, require_engine
from support.environment import clean_environ
from support.locks import write_layer_of
from support.project import SCRIPTS, Project, Result
from support.venvs import copied_with_venv, interpreter, make_venv, require_python, site_packages
from support.venvs import installed as versions
from support.wheels import build_wheel, flip_byte

# Says on standard error which programs are started.
WATCHED = """
import sys
sys.path.insert(0, {scripts!r})
def heard(event, arguments):
    if event == "subprocess.Popen":
        sys.stderr.write(f"STARTED {{arguments[0]}}\\n")
sys.addaudithook(heard)
from lockhouse.cli import entry_point
sys.argv = ["lockhouse", "install"]
entry_point()
"""


@pytest.fixture
def project(tmp_path: Path, environ: dict[str, str]) -> Project:
    """A project with two layers, and a wheelhouse that answers them; there is no index at all."""
    return sound(Project(tmp_path / "project", {**environ, "PIP_INDEX_URL": "http://127.0.0.1:9/simple/"}))


def sound(project: Project, requires: Sequence[str] = ("beta",)) -> Project:
    house = project.root / "wheelhouse"
    alpha = build_wheel(house, "alpha", "1.0", requires=requires, entry_points={"alpha-says": "alpha:says"},
                        files={"alpha/__init__.py": "def says():\n    print('alpha')\n"})  # fmt: skip
    write_layer_of(project, alpha, build_wheel(house, "beta", "1.0"))
    write_layer_of(project, build_wheel(house, "gamma", "1!2.0+local.1"), layer="dev", head="-c main.txt\n")
    return project


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same project, installed once for all tests, which copy it."""
    root = tmp_path_factory.mktemp("made")
    project = sound(Project(root / "project", clean_environ(root / "home")))
    result = project.run("install")
    assert result.status == 0, result
    return project


@pytest.fixture
def ready(made: Project, tmp_path: Path, environ: dict[str, str]) -> Project:
    """An installed project of the test's own."""
    return Project(copied_with_venv(made.root, tmp_path / "ready"), environ)


def match_of(project: Project) -> tuple[Match, Wheelhouse]:
    """Return what `check` would say answers the pins now."""
    current = projects.read(load(project.root), project.environ)
    required, allowed = required_and_allowed(current, tuple(current.layers.values()), running())
    house = Wheelhouse(current.config.wheelhouse)
    return plan.match(required, allowed, house.inventory(), running()), house


def run_install(project: Project, match: Match, house: Wheelhouse, venv: Path, engine: str = "pip") -> Outcome:
    return install(match.chosen, request_for(project, house, venv, engine))


def request_for(project: Project, house: Wheelhouse, venv: Path, name: str = "pip", **more: Any) -> Request:
    target = of_environment(venv, environ=project.environ)
    chosen = require_engine(name, project.root.parent / "home")
    given = {"house": house, "venv": venv, "target": target, "environ": project.environ, "engine": lambda: chosen}
    return Request(**{**given, **more})


EXPECTED = {"alpha": "1.0", "beta": "1.0", "gamma": "1!2.0+local.1"}


# What is installed


def test_a_first_install_makes_the_environment_and_a_second_starts_nothing(project: Project):
    watched = (sys.executable, "-c", WATCHED.format(scripts=str(SCRIPTS)))
    first = project.execute(*watched)
    assert first.status == 0, first
    assert first.stdout.startswith(".venv: 3 added, 0 changed, 0 removed, 3 packages in all in ")
    # uv is asked which one it is, first.
    assert first.stderr.count("STARTED") - first.stderr.count("with uv") == 2, "one makes the environment, one fills it"
    venv = project.root / ".venv"
    assert versions(venv) == EXPECTED, "and nothing more: no pip, and nothing that alpha merely requires"
    said = project.execute(venv / "bin" / "alpha-says")
    assert said.stdout == "alpha\n"
    before = project.tree()
    second = project.execute(*watched)
    assert second.status == 0, second
    assert second.stdout.startswith(".venv: 0 added, 0 changed, 0 removed, 3 packages in all in ")
    assert "STARTED" not in second.stderr
    assert project.tree() == before


def test_a_pin_that_has_moved_is_changed_and_no_other(ready: Project):
    (ready.root / "wheelhouse" / "beta-1.0-py3-none-any.whl").unlink()
    newer = build_wheel(ready.root / "wheelhouse", "beta", "2.0")
    write_layer_of(ready, ready.root / "wheelhouse" / "alpha-1.0-py3-none-any.whl", newer)
    packages = site_packages(ready.root / ".venv")
    before = (packages / "alpha" / "__init__.py").stat().st_mtime_ns
    result = ready.call("install")
    assert result.status == 0, result
    assert ".venv: 0 added, 1 changed, 0 removed, 3 packages in all" in result.stdout
    assert versions(ready.root / ".venv") == {**EXPECTED, "beta": "2.0"}
    assert (packages / "alpha" / "__init__.py").stat().st_mtime_ns == before


def test_named_layers_are_installed_alone(project: Project):
    result = project.call("install", "main")
    assert result.status == 0, result
    assert versions(project.root / ".venv") == {"alpha": "1.0", "beta": "1.0"}


@pytest.mark.parametrize("engine", BOTH)
def test_what_a_killed_installer_left_half_done_is_done_again(ready: Project, engine: str):
    require_engine(engine, ready.root.parent / "home")
    packages = site_packages(ready.root / ".venv")
    # Installers call all of this installed.
    (packages / "alpha" / "__init__.py").unlink()
    (packages / "beta-1.0.dist-info" / "METADATA").write_text("Name: beta\n", encoding="utf-8")
    result = ready.call("install", "--engine", engine)
    assert result.status == 0, result
    assert "  ~ alpha 1.0 (mended)\n  ~ beta 1.0 (mended)\n" in result.stdout
    assert ready.execute(ready.root / ".venv" / "bin" / "alpha-says").stdout == "alpha\n"
    assert versions(ready.root / ".venv") == EXPECTED


def test_any_path_will_do(tmp_path: Path, environ: dict[str, str]):
    project = sound(Project(tmp_path / "mit Umlaut äöü & #1 %41 + 'x'", environ))
    project.write("pyproject.toml", "[tool.lockhouse]\nwheelhouse = 'wheel häuser'\nvenv = 'deep/er/v env'\n")
    (project.root / "wheelhouse").rename(project.root / "wheel häuser")
    # The C locale has no umlauts.
    result = project.run("install", env={"LANG": "C", "LC_ALL": "C"})
    assert result.status == 0, result
    assert versions(project.root / "deep" / "er" / "v env") == EXPECTED


def test_another_python_s_environment_is_served_by_its_own_interpreter(project: Project):
    python = require_python(3, 12) if sys.version_info[:2] != (3, 12) else require_python(3, 11)
    venv = make_venv(project.root / ".venv", python)
    tag = f"cp3{12 if sys.version_info[:2] != (3, 12) else 11}"
    (project.root / "wheelhouse" / "beta-1.0-py3-none-any.whl").unlink()
    native = build_wheel(project.root / "wheelhouse", "beta", "1.0", tag=f"{tag}-none-any")
    write_layer_of(project, project.root / "wheelhouse" / "alpha-1.0-py3-none-any.whl", native)
    result = project.call("install")
    assert result.status == 0, result
    assert versions(venv) == EXPECTED
    said = project.execute(
        interpreter(venv), "-I", "-c", "import beta, sys; print(beta.__version__, sys.version_info[1])"
    )
    assert said.stdout == f"1.0 {tag.removeprefix('cp3')}\n"


# What the installer is given


def test_the_installer_gets_one_hash_a_pin_and_one_link_a_pin(project: Project):
    lock = project.read("requirements/main.txt")
    project.write(
        "requirements/main.txt", lock.replace("beta==1.0 \\", f"beta==1.0 \\\n    --hash=sha256:{'0' * 64} \\")
    )
    match, house = match_of(project)
    wheels = [stored for _, stored in match.chosen]
    lines = derived_requirements(wheels).splitlines()
    assert [line.split()[0] for line in lines] == ["alpha==1.0", "beta==1.0", "gamma==1!2.0+local.1"]
    assert [line.count("--hash=sha256:") for line in lines] == [1, 1, 1]
    page = links_page(wheels, house)
    assert page.count("<a href=") == page.count("#sha256=") == 3
    for stored in wheels:
        assert f'#sha256={stored.sha256.hex}">' in page


@pytest.mark.parametrize("engine", BOTH)
def test_what_lies_beside_the_checked_wheels_takes_no_part(project: Project, engine: str):
    sound(project, requires=["beta", "not-locked"])
    match, house = match_of(project)
    build_wheel(house.path, "beta", "1.0", build="9")
    build_wheel(house.path, "beta", "1.0", tag="py2.py3-none-any", size=10)
    build_wheel(house.path, "beta", "3.0")
    build_wheel(house.path, "not-locked", "1.0")
    outcome = run_install(project, match, house, project.root / ".venv", engine)
    assert [move.name for move in outcome.added] == ["alpha", "beta", "gamma"]
    assert (outcome.changed, outcome.removed, outcome.total) == ((), (), 3)
    assert versions(project.root / ".venv") == EXPECTED


def _flipped(path: Path) -> None:
    flip_byte(path)


def _swapped(path: Path) -> None:
    build_wheel(path.parent, "beta", "1.0", files={"beta/__init__.py": "evil = True\n"})


def _gone(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("engine", BOTH)
def test_a_wheel_that_is_replaced_after_the_check_is_refused_by_the_installer(project: Project, engine: str):
    match, house = match_of(project)
    _swapped(house.path / "beta-1.0-py3-none-any.whl")
    venv = project.root / ".venv"
    with pytest.raises(ProcessError, match=f"{engine} refused to install") as caught:
        run_install(project, match, house, venv, engine)
    assert versions(venv) == {}, "nothing at all was installed"
    assert "beta" in caught.value.reason
    assert caught.value.hint == "run `make check`, then `make wheelhouse`"
    said = {"pip": "DO NOT MATCH THE HASHES", "uv": "Hash mismatch for `beta==1.0`"}[engine]
    assert said in caught.value.stderr


@pytest.mark.parametrize("engine", BOTH)
def test_a_wheel_that_is_replaced_after_the_installer_compared_its_hash_is_refused(
    project: Project, tmp_path: Path, engine: str
):
    match, house = match_of(project)
    found = require_engine(engine, tmp_path / "home")
    wheel = house.path / "beta-1.0-py3-none-any.whl"
    if engine == "uv":
        program = project.write("uv", f'#!/bin/sh\n{found.program} "$@" && touch {wheel}\n')
    else:
        runner = f"import atexit, pathlib, runpy\natexit.register(pathlib.Path({str(wheel)!r}).touch)\n"
        run = f"runpy.run_path({str(found.program)!r}, run_name='__main__')\n"
        program = project.write("runner.py", runner + run)
    program.chmod(0o755)
    venv = project.root / ".venv"
    given = request_for(project, house, venv, engine, engine=lambda: replace(found, program=program))
    with pytest.raises(LockhouseError, match=r"changed while they were installed: beta-1\.0") as caught:
        install(match.chosen, given)
    assert "again, which makes .venv anew" in (caught.value.hint or "")
    assert project.call("install", "--engine", engine).status == 0
    assert project.call("check", "--env").status == 0


@pytest.mark.parametrize("spoil", [_flipped, _gone])
def test_a_wheel_that_cannot_be_read_after_the_check_is_refused(project: Project, spoil):
    match, house = match_of(project)
    spoil(house.path / "beta-1.0-py3-none-any.whl")
    venv = project.root / ".venv"
    with pytest.raises((ProcessError, WheelError), match="beta"):
        run_install(project, match, house, venv)
    assert versions(venv) == {}, "nothing at all was installed"


def test_a_wheel_that_installs_something_else_is_an_error(project: Project):
    # Whoever checks would have seen it; the last look notices it even so.
    house = project.root / "wheelhouse"
    build_wheel(house, "beta", "1.0", metadata_name="other")
    write_layer_of(project, house / "alpha-1.0-py3-none-any.whl", house / "beta-1.0-py3-none-any.whl")
    match, place = match_of(project)
    with pytest.raises(ProcessError, match=r"No matching distribution found for beta==1\.0"):
        run_install(project, match, place, project.root / ".venv")


# What stands in the way


def refused(project: Project) -> Result:
    before = project.tree(ignore=())
    result = project.call("install")
    assert result.status == 1, result
    assert project.tree(ignore=()) == before
    return result


def _is_a_file(venv: Path) -> None:
    venv.write_text("not a folder", encoding="utf-8")


def _is_no_venv(venv: Path) -> None:
    (venv / "bin").mkdir(parents=True)
    (venv / "precious").write_text("data", encoding="utf-8")


def _has_lost_its_python(venv: Path) -> None:
    make_venv(venv)
    interpreter(venv).unlink()
    interpreter(venv).symlink_to("nowhere")


def _has_a_broken_python(venv: Path) -> None:
    make_venv(venv)
    interpreter(venv).unlink()
    interpreter(venv).write_text("#!/bin/sh\necho broken >&2\nexit 3\n", encoding="utf-8")
    interpreter(venv).chmod(0o755)


@pytest.mark.parametrize("begun", ["pyvenv.cfg", None])
def test_an_environment_that_was_never_finished_is_made(project: Project, begun: str | None):
    project.write(f".venv/{begun}", "home = nowhere\n") if begun else (project.root / ".venv").mkdir()
    result = project.call("install")
    assert result.status == 0, result
    assert versions(project.root / ".venv") == EXPECTED


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_is_a_file, "is not a virtual environment"),
        (_is_no_venv, "is not a virtual environment"),
        (_has_lost_its_python, "does not answer"),
        (_has_a_broken_python, "does not answer: broken"),
    ],
)
def test_an_environment_that_is_none_is_left_as_it_is(project: Project, spoil, said: str):
    spoil(project.root / ".venv")
    result = refused(project)
    assert said in result.stderr
    assert "hint: " in result.stderr


def test_an_environment_that_cannot_be_made_is_an_error(project: Project):
    match, house = match_of(project)
    target = running()
    broken = type(target)(
        interpreter=project.write("python", "#!/bin/sh\nexit 1\n"), tags=target.tags, markers=target.markers
    )
    broken.interpreter.chmod(0o755)
    with pytest.raises(TargetError, match=r"cannot make the environment \.venv: exit status 1") as caught:
        install(match.chosen, request_for(project, house, project.root / ".venv", target=broken))
    assert "python3-venv" in (caught.value.hint or "")


def test_nothing_is_installed_without_a_wheelhouse(project: Project):
    shutil.rmtree(project.root / "wheelhouse")
    result = refused(project)
    assert "wheel-missing" in result.stdout
    assert "hint: run `make wheelhouse`" in result.stdout
    assert result.stderr == "nothing was installed\n"
    assert not (project.root / ".venv").exists()


def test_of_several_environments_that_of_main_is_installed(project: Project):
    project.write("requirements/dev.in", "gamma\n")
    result = project.call("install")
    assert result.status == 0, result
    assert versions(project.root / ".venv") == {"alpha": "1.0", "beta": "1.0"}


def test_several_environments_need_a_word_where_none_is_called_main(project: Project):
    for suffix in ("in", "txt"):
        (project.root / f"requirements/main.{suffix}").rename(project.root / f"requirements/other.{suffix}")
    project.write("requirements/dev.in", "gamma\n")
    result = project.call("install")
    assert result.status == 2
    assert "there are several environments" in result.stderr
    assert not (project.root / ".venv").exists()
