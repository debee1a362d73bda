"""This repository keeps its own promises: one list of requirements, locks without hosts, help that lists the targets."""

import re
import subprocess
from pathlib import Path

import pytest
import tomli

ROOT = Path(__file__).resolve().parents[1]


def requirement_lines(path: str) -> list[str]:
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith(("#", "-"))]


def test_the_distribution_requires_what_the_main_layer_locks():
    project = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["dependencies"] == requirement_lines("requirements/main.in")


@pytest.mark.parametrize("lock", ["main", "dev", "build/lockhouse"])
def test_our_locks_name_no_host_and_no_folder(lock):
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    assert not re.search(r"^--|://|^ *file:", text, re.MULTILINE)
    assert "\npip==" in text or lock != "main"
    assert "\nsetuptools==" in text or lock == "build/lockhouse"


def test_make_alone_prints_the_targets_in_groups():
    done = subprocess.run(["make", "-C", str(ROOT)], capture_output=True, text=True, check=True)
    groups = re.findall(r"^(\w+)$", done.stdout, re.MULTILINE)
    assert groups == ["Lockhouse", "Development", "Help"]
    targets = set(re.findall(r"^  ([a-z-]+) ", done.stdout, re.MULTILINE))
    assert targets >= {
        *("lock", "upgrade", "wheelhouse", "check", "install", "key", "bundle"),
        *("test", "test-all", "lint", "format", "bench", "clean", "help"),
    }


def test_every_target_that_is_documented_is_phony():
    for name in ("Makefile", "scripts/lockhouse/lockhouse.mk"):
        text = (ROOT / name).read_text(encoding="utf-8").replace("$(LOCKHOUSE_PREFIX)", "")
        documented = set(re.findall(r"^([a-z-]+):.*##", text, re.MULTILINE))
        phony = set(" ".join(re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)).split())
        assert documented <= phony
