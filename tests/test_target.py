"""The target is asked of the interpreter itself, and an environment that cannot answer is a clear error."""

import sys
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag

from lockhouse import process, target
from lockhouse.errors import TargetError
from support.venvs import make_venv, require_python


def test_without_an_environment_the_running_python_is_the_target(tmp_path, environ):
    found = target.of_environment(tmp_path / ".venv", environ=environ)
    assert found.interpreter == Path(sys.executable)
    assert found.series == f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert (
        found.name == f"cp{sys.version_info[0]}{sys.version_info[1]}-{sys.platform}_{found.markers['platform_machine']}"
    )
    assert "." not in found.name


def test_an_environment_of_the_same_python_answers_the_same(tmp_path, environ):
    found = target.of_environment(make_venv(tmp_path / ".venv"), environ=environ)
    assert found.tags == target.running().tags
    assert found.interpreter == tmp_path / ".venv" / "bin" / "python"


def test_another_python_is_asked_for_its_own_tags_and_markers(tmp_path, environ):
    other = (3, 12) if sys.version_info[:2] != (3, 12) else (3, 13)
    env = make_venv(tmp_path / ".venv", require_python(*other))
    # What the user has on PYTHONPATH must not answer in the interpreter's place.
    (tmp_path / "packaging.py").write_text("raise SystemExit('an impostor')", encoding="utf-8")
    found = target.of_environment(env, environ={**environ, "PYTHONPATH": str(tmp_path)})
    assert found.series == f"{other[0]}.{other[1]}"
    assert found.tags[0].interpreter == f"cp{other[0]}{other[1]}"
    assert found.applies(Marker(f"python_version == '{found.series}'"))
    assert found.accepts_python(SpecifierSet(f"=={found.series}.*"))


def test_a_python_that_is_not_asked_is_taken_for_what_it_would_say(environ):
    other = (3, 12) if sys.version_info[:2] != (3, 12) else (3, 13)
    series = f"{other[0]}.{other[1]}"
    guessed = target.of_series(series)
    asked = target.of_interpreter(require_python(*other), environ=environ)
    assert guessed.tags == asked.tags
    assert guessed.name == asked.name
    full = {"implementation_version", "python_full_version"}
    assert {key: guessed.markers[key] for key in guessed.markers.keys() - full} == {
        key: asked.markers[key] for key in asked.markers.keys() - full
    }
    # As a late release of its series.
    assert guessed.applies(Marker(f"python_full_version >= '{series}.9'"))
    assert not guessed.applies(Marker(f"python_full_version < '{series}.9'"))
    assert guessed.accepts_python(SpecifierSet(f">={series}.4,<{other[0]}.{other[1] + 1}"))


def test_a_python_that_is_not_asked_is_the_one_that_the_users_path_has(tmp_path):
    series = "3.99"
    (tmp_path / f"python{series}").symlink_to(sys.executable)
    found = process.run([target.of_series(series).interpreter, "-V"], cwd=tmp_path, environ={"PATH": str(tmp_path)})
    assert found.stdout.startswith("Python 3.")


def test_the_configured_python_counts_and_the_running_one_answers_for_itself(tmp_path, environ):
    us = target.running()
    assert target.of_environment(tmp_path / ".venv", series=us.series, environ=environ) == us
    assert target.of_environment(tmp_path / ".venv", series="3.99", environ=environ).series == "3.99"


def test_an_environment_of_another_python_than_the_configured_is_refused(tmp_path, environ):
    env = make_venv(tmp_path / ".venv")
    series = target.running().series
    assert target.of_environment(env, series=series, environ=environ).series == series
    with pytest.raises(TargetError, match=rf"\.venv has Python {series}, .* `python = \"3\.99\"`") as caught:
        target.of_environment(env, series="3.99", environ=environ)
    assert str(env) in (caught.value.hint or "")


def test_tags_are_ranked_by_the_interpreters_order():
    us = target.running()
    pure = Tag("py3", "none", "any")
    assert us.rank(frozenset({us.tags[0]})) == 0
    assert us.rank(frozenset({pure, us.tags[3]})) == 3
    assert us.rank(frozenset({Tag("cp27", "cp27m", "win32")})) is None


def test_a_folder_that_is_no_environment_is_refused(tmp_path, environ):
    (tmp_path / ".venv" / "precious").mkdir(parents=True)
    with pytest.raises(TargetError, match=r"is not a virtual environment") as caught:
        target.of_environment(tmp_path / ".venv", environ=environ)
    assert caught.value.hint


@pytest.mark.parametrize("spoil", ["gone", "silent", "failing"])
def test_an_interpreter_that_does_not_answer_is_refused(tmp_path, environ, spoil):
    env = make_venv(tmp_path / ".venv")
    python = env / "bin" / "python"
    python.unlink()
    if spoil == "gone":
        python.symlink_to("nowhere")
    elif spoil == "silent":
        python.write_text("#!/bin/sh\n", encoding="utf-8")
        python.chmod(0o755)
    elif spoil == "failing":
        python.write_text("#!/bin/sh\necho broken libpython >&2\nexit 3\n", encoding="utf-8")
        python.chmod(0o755)
    with pytest.raises(TargetError, match="does not answer") as caught:
        target.of_environment(env, environ=environ)
    assert str(env) in (caught.value.hint or "")
    assert spoil != "failing" or "broken libpython" in str(caught.value)
