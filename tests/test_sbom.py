"""The SBOM of a bundle: valid, deterministic, and about exactly the wheels that are in it."""

import json
import sys
import tarfile
from pathlib import Path

import pytest

from lockhouse.metadata import Metadata
from support.locks import write_layer_of
from support.project import Project
from support.wheels import build_wheel, rewrite_wheel, sha256


def _licensed(members: dict[str, bytes]) -> None:
    [name] = [name for name in members if name.endswith("/METADATA")]
    members[name] = members[name].replace(b"\nVersion:", b"\nLicense-Expression: MIT OR Apache-2.0\nVersion:", 1)


@pytest.fixture
def project(tmp_path: Path, environ: dict[str, str]) -> Project:
    """A project with three wheels, pip being a small impostor: nothing is installed here."""
    project = Project(tmp_path / "project", environ)
    project.write("pyproject.toml", "[project]\nname = 'demo'\n")
    house = project.root / "wheelhouse"
    alpha = rewrite_wheel(build_wheel(house, "alpha", "1.0+local", requires=["beta"]), _licensed)
    write_layer_of(project, alpha, build_wheel(house, "beta", "1.0"), build_wheel(house, "pip", "26.0"))
    return project


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ("License-Expression: MIT\nLicense: other\n", ("MIT",)),
        ("License: BSD\nClassifier: License :: OSI Approved :: BSD License\n", ("BSD",)),
        (
            "License: UNKNOWN\nClassifier: License :: OSI Approved :: BSD License\nClassifier: Typing :: Typed\n",
            ("BSD License",),
        ),
        ("License: " + "x" * 200 + "\nClassifier: License :: OSI Approved\n", ()),
        ("License: The text\n        of it all\n", ()),
        ("", ()),
    ],
)
def test_licences_are_what_the_metadata_declares(headers: str, expected: tuple[str, ...]):
    assert Metadata.parse(f"Name: a\nVersion: 1\n{headers}\n").licences == expected


def test_without_the_library_it_says_what_to_install(project: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "cyclonedx", None)
    monkeypatch.setitem(sys.modules, "cyclonedx.model.bom", None)
    result = project.call("bundle", "--sbom", "-o", "x.tar")
    assert result.status == 2, result
    assert "--sbom needs cyclonedx-python-lib" in result.stderr
    assert "hint: install lockhouse[sbom]" in result.stderr
    assert not (project.root / "x.tar").exists()


def test_it_is_valid_the_same_every_time_and_about_the_wheels_in_the_bundle(project: Project):
    pytest.importorskip("cyclonedx", reason="cyclonedx-python-lib is not installed here, an extra of Lockhouse's")
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    texts = []
    for name in ("x", "y"):
        result = project.call("bundle", "--sbom", "-o", f"{name}.tar")
        assert result.status == 0, result
        texts.append(project.read(f"{name}.sbom.cdx.json"))
    assert texts[0] == texts[1]
    assert sha256(project.root / "x.tar") == sha256(project.root / "y.tar")
    with tarfile.open(project.root / "x.tar") as tar:
        [member] = [each for each in tar.getnames() if each.endswith("/sbom.cdx.json")]
        inside = tar.extractfile(member)
        assert inside
        assert inside.read().decode() == texts[0]
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(texts[0]) is None
    document = json.loads(texts[0])
    assert "serialNumber" not in document
    assert "timestamp" not in document["metadata"]
    assert [(each["name"], each["hashes"]) for each in document["components"]] == [
        (path.name.partition("-")[0], [{"alg": "SHA-256", "content": sha256(path)}])
        for path in sorted((project.root / "wheelhouse").glob("*.whl"))
    ]
    [alpha, *_] = document["components"]
    assert alpha["licenses"] == [{"expression": "MIT OR Apache-2.0"}]
    assert alpha["purl"] == "pkg:pypi/alpha@1.0%2Blocal"
    below = {each["ref"]: each.get("dependsOn", []) for each in document["dependencies"]}
    assert below[alpha["bom-ref"]] == ["pkg:pypi/beta@1.0"]
