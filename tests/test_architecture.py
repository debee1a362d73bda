"""The module map holds: imports point down, pip's insides have one door, and what must be quick imports nothing slow."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "scripts" / "lockhouse"

# From the bottom up; a module may import those of lower rows, and earlier ones of its own row.
RANKS = (
    ("errors", "digest", "redact"),
    ("files", "process", "progress"),
    ("annotations", "lines", "links", "requirements", "includes", "pyproject"),
    ("metadata", "wheel", "sdist", "record", "wheelhouse", "source", "target", "config"),
    (
        "building.diagnosis",
        "building.variables",
        "building.namespaces",
        "building.launch",
        "building.sandbox",
        "building.driver",
        "building.recipe",
        "building",
    ),
    (
        "layers",
        "builds",
        "project",
        "index.settings",
        "index.command",
        "index.session",
        "index.hosts",
        "index.wire",
        "index.transport",
        "index.pages",
        "index.source",
    ),
    ("index.compile", "index"),
    ("plan", "rules", "rules.freshness", "rules.locks", "rules.builds", "rules.wheels", "rules.dependencies"),
    (
        "key",
        "solutions",
        "check",
        "receive",
        "fill",
        "install",
        "resolution",
        "lock",
        "toollock",
        "scaffold.change",
        "scaffold.configuration",
        "scaffold.sources",
        "scaffold.makefile",
        "scaffold.lists",
        "scaffold.ci",
        "scaffold.proposal",
        "scaffold",
        "construct",
        "rebuilding",
        "buildlock",
    ),
    ("report", "formats", "formats.text"),
    (
        "commands",
        "commands.session",
        "commands.making",
        "commands.lock",
        "commands.wheelhouse",
        "commands.check",
        "commands.install",
        "commands.key",
        "commands.init",
    ),
    ("cli", "__main__"),
)
ORDER = {module: place for place, module in enumerate(name for rank in RANKS for name in rank)}


def module_name(path: Path) -> str:
    name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    return name.removesuffix(".__init__")


MODULES = {module_name(path): path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py"}


def imported(path: Path) -> set[str]:
    """Return every module that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            # What comes out of a package's own folder is not an import of all that the package offers.
            known = {name for name in submodules if name.removeprefix("lockhouse.") in ORDER}
            found |= submodules if known else {node.module, *submodules}
    return found


def test_every_module_has_its_place():
    assert set(MODULES) == set(ORDER)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_down(module):
    ours = {name.removeprefix("lockhouse.") for name in imported(MODULES[module]) if name.startswith("lockhouse.")}
    upward = {name for name in ours & set(ORDER) if ORDER[name] >= ORDER[module]}
    assert not upward, f"{module} imports {sorted(upward)}, which stand above it"


def test_only_the_index_sees_the_insides_of_pip_and_pip_tools():
    seers = {
        module
        for module, path in MODULES.items()
        if {name.partition(".")[0] for name in imported(path)} & {"pip", "piptools"}
    }
    assert {name.partition(".")[0] for name in seers} == {"index"}


def test_only_the_command_line_prints():
    printers = set()
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"print", "click.echo", "sys.stdout.write"}:
                printers.add(module)
    # progress writes to the stream that the command line hands it.
    assert printers == {"cli", "commands.session", "progress"}


@pytest.mark.parametrize("module", ["check", "key", "lock", "rules.wheels", "install", "fill", "cli"])
def test_what_must_be_quick_imports_nothing_slow(module):
    code = f"import lockhouse.{module}, sys; print(*sorted(sys.modules))"
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    slow = {"pip", "piptools", "rich", "requests", "urllib3", "asyncio"}
    assert not slow & set(said.stdout.split())
