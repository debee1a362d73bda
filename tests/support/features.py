"""Projects with wheels that use everything a wheel can bring, for comparing what installers make of them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lockhouse import config, target
from lockhouse import project as projects
from lockhouse.check import check
from lockhouse.wheelhouse import Wheelhouse
from support.archives import sha256
from support.locks import write_layer_of
from support.project import Project
from support.venvs import site_packages
from support.wheels import build_wheel

INSTALLERS_OWN = {"INSTALLER", "RECORD", "REQUESTED", "uv_cache.json"}


def build_features(house: Path) -> list[Path]:
    """Build wheels with scripts, data, headers, a namespace, a `.pth`, extras and a name of the standard library."""
    data = "odd_name-1.0.data"
    odd = build_wheel(
        house,
        "Odd.Name",
        "1.0",
        requires=["plain"],
        extras={"more": ["space-two"]},
        entry_points={"odd-says": "odd_name:says"},
        files={
            "odd_name/__init__.py": "def says():\n    print('odd')\n",
            f"{data}/scripts/odd-script": "#!python\nimport sys\nprint(sys.prefix)\n",
            f"{data}/scripts/odd-shell": "#!/bin/sh\necho shell\n",
            f"{data}/headers/odd.h": "int odd;\n",
            f"{data}/headers/deep/odder.h": "int odder;\n",
            f"{data}/data/share/odd/data.txt": "data\n",
            f"{data}/data/etc/odd.conf": "conf\n",
            f"{data}/purelib/odd_pure.py": "x = 1\n",
            f"{data}/platlib/odd_plat.py": "x = 2\n",
            "odd.pth": "import odd_pure; odd_pure.seen = True\n",
            # Shadows nothing: the standard library goes first.
            "secrets.py": "evil = True\n",
        },
    )
    one = build_wheel(house, "space-one", "1.0", files={"space/one/__init__.py": "here = 1\n"})
    two = build_wheel(house, "space-two", "1.0", files={"space/two/__init__.py": "here = 2\n"})
    return [odd, one, two, build_wheel(house, "plain", "1.0")]


def features_project(root: Path, environ: dict[str, str]) -> Project:
    """Return a project whose lock and wheelhouse are these wheels."""
    project = Project(root, environ)
    write_layer_of(project, *build_features(root / "wheelhouse"))
    for suffix in ("in", "txt"):
        path = f"requirements/main.{suffix}"
        project.write(path, project.read(path).replace("odd-name==", "odd-name[more]=="))
    return project


def landed_files(venv: Path, *, ignore: Sequence[str] = ()) -> dict[str, tuple[str, int]]:
    """Return digest and permissions of every file below an environment by its path, less what installers call theirs.

    Script wrappers (whose text is an installer's own) are among the ignored ones, by name, if so asked.
    """
    found = {}
    for path in sorted(venv.rglob("*")):
        name = path.relative_to(venv).as_posix()
        own = path.parent.name.endswith(".dist-info") and path.name in INSTALLERS_OWN
        if path.is_symlink() or not path.is_file() or "__pycache__" in name or own or path.name in ignore:
            continue
        if not name.startswith((".lockhouse/", "lib64/", "bin/activate", "bin/Activate")) and name != "pyvenv.cfg":
            # What is in a script names its environment.
            found[name] = (sha256(path) if path.parent.name != "bin" else "script", path.stat().st_mode & 0o777)
    return found


def deep_findings(project: Project, venv: Path) -> list[str]:
    """Return what a deep look at an environment says: the messages of every finding."""
    settings = replace(config.load(project.root), venv=venv)
    current = projects.read(settings, project.environ)
    layers, house = current.environment(()), Wheelhouse(settings.wheelhouse)
    where = target.of_environment(venv, environ=project.environ)
    found = check(current, layers, target=where, house=house, installed=layers, deep=True)
    return [each.message for each in found.findings]


def behaviour(project: Project, venv: Path) -> list[str]:
    """Return what the installed things do when they are run."""
    code = "import odd_pure, odd_plat, secrets, space.one, space.two; print(odd_pure.seen, hasattr(secrets, 'evil'))"
    commands = (
        (venv / "bin" / "odd-says",),
        (venv / "bin" / "odd-script",),
        (venv / "bin" / "odd-shell",),
        (venv / "bin" / "python", "-c", code),
    )
    said = []
    for command in commands:
        done = project.execute(*command)
        said.append(f"{done.status} {done.stdout.strip().replace(str(venv), 'VENV')}{done.stderr}")
    assert site_packages(venv).is_dir()
    return said
