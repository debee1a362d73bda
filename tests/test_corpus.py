"""Real projects' locks and sources, judged; every answer here was looked up in the files by hand."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from lockhouse.check import Report
from lockhouse.target import Target
from support import worlds

LOCKS = Path(__file__).parent / "data" / "locks"
WAREHOUSE = ("deploy", "docs-dev", "lint", "main", "tests")
TREEHERDER = ("common", "dev")

Files = dict[str, str]
Found = list[tuple[str, str]]


def layered(folder: str, names: Sequence[str]) -> Files:
    """Return the layers of a project where it keeps them itself, in `requirements/`."""
    return {
        f"requirements/{name}.{kind}": (LOCKS / folder / f"{name}.{kind}").read_text()
        for name in names
        for kind in ("in", "txt")
    }


def single(folder: str, lock: str, *sources: str) -> Files:
    """Return one lock and its sources as a layer of a configured project, side by side."""
    listed = ", ".join(f'"{source}"' for source in sources)
    table = f'[tool.lockhouse.layers]\napp = {{ lock = "{lock}", sources = [{listed}] }}\n'
    return {"pyproject.toml": table, **{name: (LOCKS / folder / name).read_text() for name in (lock, *sources)}}


def judged(root: Path, files: Mapping[str, str], target: Target) -> Report:
    return worlds.judge(root, files, target=target)


def edited(files: Files, path: str, before: str, after: str) -> Files:
    assert files[path].count(before) == 1, f"{before!r} is {files[path].count(before)} times in {path}"
    return {**files, path: files[path].replace(before, after)}


def where(files: Mapping[str, str], path: str, begins: str) -> str:
    """Return where the one line that begins so, as a whole word, stands."""
    lines = enumerate(f"{files[path]}\n".splitlines(), 1)
    [number] = [number for number, line in lines if re.match(rf"{re.escape(begins)}(?![\w.-])", line)]
    return f"{path}:{number}"


@pytest.mark.parametrize(
    ("files", "target", "pins", "found"),
    [
        pytest.param(layered("warehouse", WAREHOUSE), worlds.on("3.14"), 327, [], id="warehouse"),
        pytest.param(layered("treeherder", TREEHERDER), worlds.on("3.13"), 224, [], id="treeherder"),
        pytest.param(
            single("securedrop-admin", "requirements.txt", "requirements-ansible.in", "requirements.in"),
            worlds.on("3.9"), 16, [], id="securedrop",
        ),
        pytest.param(
            single("securedrop-admin", "requirements-dev.txt", "requirements-dev.in"),
            worlds.on("3.9"), 36, [], id="securedrop-dev",
        ),
        pytest.param(
            single(
                *("securedrop-admin", "requirements-testinfra.txt"),
                *("requirements-ansible.in", "requirements-testinfra.in", "requirements.in"),
            ),
            worlds.on("3.9"), 28, [], id="securedrop-testinfra",
        ),
        pytest.param(
            single("rules_python", "requirements_lock_3_9.txt", "requirements.in"),
            worlds.on("3.9"), 47,
            [("lock-leak?", "requirements_lock_3_9.txt:3"), ("lock-leak?", "requirements_lock_3_9.txt:4")],
            id="rules_python-3.9",
        ),
        pytest.param(
            single("rules_python", "requirements_lock_3_10.txt", "requirements.in"),
            worlds.on("3.10"), 44, [("lock-leak?", "requirements_lock_3_10.txt:7")], id="rules_python-3.10",
        ),
        pytest.param(
            single("rules_python", "requirements_lock_3_11.txt", "requirements.in"),
            worlds.on("3.11"), 42,
            [("lock-leak?", "requirements_lock_3_11.txt:3"), ("lock-leak?", "requirements_lock_3_11.txt:4")],
            id="rules_python-3.11",
        ),
        pytest.param(
            single("rules_python", "requirements_windows_3_11.txt", "requirements.in"),
            worlds.on("3.11", "win32", "AMD64"), 42,
            [("lock-leak?", "requirements_windows_3_11.txt:3"), ("lock-leak?", "requirements_windows_3_11.txt:4")],
            id="rules_python-windows",
        ),
        pytest.param(
            single("hermeto-e2e", "requirements-build.txt", "requirements-build.in"),
            worlds.on("3.9"), 12, [], id="hermeto-build",
        ),
        pytest.param(
            # It was compiled by 3.9, and what it asks tomli for is only for Pythons before 3.11.
            single("hermeto-e2e", "requirements-build.txt", "requirements-build.in"),
            worlds.on("3.12"), 12, [("lock-python?", "requirements-build.txt:1")], id="hermeto-build-elsewhere",
        ),
    ],
)  # fmt: skip
def test_what_real_projects_commit_is_fresh(files: Files, target: Target, pins: int, found: Found, tmp_path: Path):
    report = judged(tmp_path, files, target)
    assert worlds.said(report.findings) == found
    assert (report.pins, report.errors, report.notes) == (pins, (), ())


@pytest.mark.parametrize("series", ["3.10", "3.11", "3.12", "3.14"])
@pytest.mark.parametrize("platform", ["linux", "win32", "darwin"])
def test_a_universal_lock_pins_nothing_twice_anywhere(series: str, platform: str, tmp_path: Path):
    files = single("rules_python", "dev-requirements.txt")
    report = judged(tmp_path, files, worlds.on(series, platform))
    assert worlds.said(report.findings) == [("lock-leak?", "dev-requirements.txt:3")]
    assert report.notes == ("dev-requirements.txt has no sources here: whether it is fresh was not judged",)


def test_what_came_from_pyproject_is_not_judged_by_another_source(tmp_path: Path):
    files = single("rules_python", "dev-requirements.txt")
    files["pyproject.toml"] = files["pyproject.toml"].replace("[]", '["dev.in"]')
    files["dev.in"] = "absl-py\nsphinx>=9\n"
    report = judged(tmp_path, files, worlds.on("3.11"))
    assert worlds.said(report.findings) == [("lock-leak?", "dev-requirements.txt:3")]
    # For 3.10 the lock has Sphinx 8.
    report = judged(tmp_path, files, worlds.on("3.10"))
    assert worlds.said(report.errors) == [("lock-stale", "dev.in:2")]


def test_a_lock_with_a_url_is_judged(tmp_path: Path):
    report = judged(tmp_path, single("hermeto-e2e", "requirements.txt"), worlds.on("3.12"))
    assert worlds.said(report.findings) == []
    assert report.notes == ("requirements.txt has no sources here: whether it is fresh was not judged",)


def test_five_layers_of_one_environment_agree(tmp_path: Path):
    files = layered("warehouse", WAREHOUSE)
    members = ", ".join(f'"{name}"' for name in WAREHOUSE)
    files["pyproject.toml"] = f"[tool.lockhouse]\nenvironments = {{ default = [{members}] }}\n"
    assert worlds.said(judged(tmp_path, files, worlds.on("3.14")).findings) == []


def test_two_layers_that_are_installed_together_do_not_agree(tmp_path: Path):
    files = layered("treeherder", TREEHERDER)
    files["pyproject.toml"] = '[tool.lockhouse]\nenvironments = { default = ["common", "dev"] }\n'
    report = judged(tmp_path, files, worlds.on("3.13"))
    [found] = report.findings
    dev, common = (f"requirements/{name}.txt" for name in ("dev", "common"))
    assert worlds.said([found]) == [("layers-disagree", where(files, dev, "urllib3"))]
    assert found.facts == (
        ("here", "urllib3==2.0.3"),
        ("there", f"urllib3==1.26.18 ({where(files, common, 'urllib3')})"),
    )
    assert found.hint == "write `-c common.txt` into requirements/dev.in, then run `make lock`"


def test_another_python_is_a_warning_for_each_lock(tmp_path: Path):
    report = judged(tmp_path, layered("warehouse", WAREHOUSE), worlds.on("3.11"))
    assert worlds.said(report.findings) == [("lock-python?", f"requirements/{name}.txt:1") for name in WAREHOUSE]


MAIN_IN, MAIN = "requirements/main.in", "requirements/main.txt"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param("stripe\n", "", ("lock-orphan", MAIN, "stripe"), id="a-line-goes"),
        # google-api-core and many more hang below this one, and follow from it.
        pytest.param("google-cloud-bigquery\n", "", ("lock-orphan", MAIN, "google-cloud-bigquery"), id="a-tree-goes"),
        pytest.param("celery[redis]>=5.6.2,<5.7\n", "", None, id="celery-redbeat-needs-it"),
        pytest.param("requests\n", "requests[socks]\n", ("lock-stale", MAIN_IN, "requests[socks]"), id="an-extra"),
        pytest.param("kombu[redis]", "kombu", None, id="an-extra-less"),
        pytest.param("redis>=2.8.0,<7.0.0\n", "redis<6\n", ("lock-stale", MAIN_IN, "redis<6"), id="tightened"),
        pytest.param("redis>=2.8.0,<7.0.0\n", "redis\n", None, id="loosened"),
        pytest.param("zxcvbn\n", "zxcvbn\nzxcvb\n", ("lock-stale", MAIN_IN, "zxcvb"), id="a-name-that-begins-another"),
        pytest.param("zxcvbn\n", "zxcvbn\nidna\n", None, id="what-is-locked-already"),
    ],
)
def test_a_change_to_a_real_source_is_one_finding(before: str, after: str, expected, tmp_path: Path):
    files = edited(layered("warehouse", WAREHOUSE), MAIN_IN, f"\n{before}", f"\n{after}")
    found = []
    if expected:
        rule, path, begins = expected
        found = [(rule, where(files, path, begins))]
    assert worlds.said(judged(tmp_path, files, worlds.on("3.14")).findings) == found
