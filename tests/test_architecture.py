"""The module map holds: imports point down, pip's insides have one door, and what must be quick imports nothing slow."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "scripts" / "lockhouse"

# From the bottom up; a module may import those of lower rows, and earlier ones of its own row.
RANKS = (
    ("errors", "digest", "redact", "rules"),
    ("files", "hashing", "process", "progress"),
    ("annotations", "lines", "links", "requirements", "includes", "pyproject"),
    (
        "filenames",
        "archive",
        "members",
        "metadata",
        "contents",
        "buildsystem",
        "sdist",
        "record",
        "wheelhouse",
        "source",
        "target",
        "accept",
        "config",
        "revisions",
        "comparison",
        "local",
        "local.declaration",
        "local.kept",
    ),
    ("layout", "environment", "removal", "scripts", "engines", "handover", "venv"),
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
    (
        "plan",
        "rules.freshness",
        "rules.locks",
        "rules.local",
        "rules.builds",
        "rules.wheels",
        "rules.dependencies",
        "rules.accepted",
        "rules.environment",
    ),
    (
        "key",
        "solutions",
        "inspection",
        "check",
        "selection",
        "explain",
        "receive",
        "fill",
        "install",
        "bundled",
        "bundled.install",
        "tarball",
        "bundle",
        "sbom",
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
        "local.tree",
        "local.locking",
        "local.wheels",
        "diff",
    ),
    (
        "report",
        "formats",
        "formats.text",
        "formats.moved",
        "formats.moved_json",
        "formats.moved_markdown",
    ),
    (
        "formats.view",
        "formats.document",
        "formats.github",
        "formats.sarif",
        "formats.pages",
    ),
    (
        "commands",
        "commands.session",
        "commands.environment",
        "commands.making",
        "commands.lock",
        "commands.wheelhouse",
        "commands.check",
        "commands.local",
        "commands.install",
        "commands.key",
        "commands.diff",
        "commands.explain",
        "commands.bundle",
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
    # progress writes to the stream that the command line hands it; the installer of a bundle is a command line itself.
    assert printers == {"cli", "commands.session", "progress", "bundled.install"}


@pytest.mark.parametrize(
    "module", ["check", "key", "lock", "rules.wheels", "install", "fill", "cli", "commands.explain"]
)
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


# What takes long to import and only wheels, sdists, builds, writing or an error needs; with all that stands above it.
NOT_FOR_LOCKS = {
    *("_bz2", "_hashlib", "_lzma", "bz2", "concurrent.futures", "csv", "difflib", "email", "hashlib", "json", "lzma"),
    *("random", "shutil", "socket", "tarfile", "tempfile", "zipfile"),
    *("lockhouse.fill", "lockhouse.hashing", "lockhouse.plan", "lockhouse.sdist", "lockhouse.contents"),
    *("lockhouse.wheelhouse", "pip", "piptools", "rich", "requests", "urllib3", "asyncio"),
}


def test_a_check_of_the_locks_alone_imports_nothing_that_only_wheels_need(tmp_path):
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "main.in").write_text("six\n", encoding="utf-8")
    lock = f"six==1.16.0 --hash=sha256:{'0' * 64}\n    # via -r requirements/main.in\n"
    (tmp_path / "requirements" / "main.txt").write_text(lock, encoding="utf-8")
    # The whole command, as `-m` runs it; what the process holds in the end is what it took.
    code = (
        "import atexit, runpy, sys; sys.argv = ['lockhouse', 'check', '--locks-only'];"
        "atexit.register(lambda: print(*sorted(sys.modules), file=sys.stderr));"
        "runpy.run_module('lockhouse', run_name='__main__')"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.startswith("ok: 1 lock, 1 pin")
    modules = set(said.stderr.split())
    assert "lockhouse.check" in modules
    assert not NOT_FOR_LOCKS & modules
