"""Bundles: one tar, the same bytes anywhere, that installs itself where there is nothing, and refuses what was changed."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lockhouse import bundle as step
from lockhouse import project as projects
from lockhouse.check import check
from lockhouse.config import load
from lockhouse.errors import LockhouseError
from lockhouse.target import running
from lockhouse.wheelhouse import Wheelhouse
from support.environment import clean_environ
from support.index import Index
from support.locks import write_layer_of
from support.project import Project, Result
from support.venvs import installed, make_venv, pythons, require_python, site_packages
from support.wheels import build_pip_wheel, build_sdist, build_wheel, flip_byte, sha256

ROOT = Path(__file__).resolve().parents[1]
NAME = f"demo-lockhouse-{running().name}"
BETA = "1!1.0+local.1"
WHEEL = f"wheels/beta-{BETA}-py3-none-any.whl"
EXPECTED = {"alpha": "1.0", "beta": BETA}


@pytest.fixture(scope="session")
def pip_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pip of this environment as a wheel."""
    return build_pip_wheel(tmp_path_factory.mktemp("pip"))


def sound(root: Path, pip_wheel: Path, environ: dict[str, str]) -> Project:
    """Write a project with a layer to install and one that pins pip for bundles, and its full wheelhouse."""
    project = Project(root, environ)
    project.write("pyproject.toml", "[project]\nname = 'Demo'\n")
    house = root / "wheelhouse"
    alpha = build_wheel(house, "alpha", "1.0", requires=["beta", "gamma; python_version < '3'"],
                        entry_points={"alpha-says": "alpha:says"},
                        files={"alpha/__init__.py": "def says():\n    print('alpha')\n"})  # fmt: skip
    write_layer_of(project, alpha, build_wheel(house, "beta", BETA))
    shutil.copy(pip_wheel, house)
    write_layer_of(project, house / pip_wheel.name, layer="bundle")
    return project


@pytest.fixture(scope="session")
def made(pip_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose bundle has been written and unpacked beside the tar; tests copy what they change."""
    root = tmp_path_factory.mktemp("made")
    project = sound(root / "project", pip_wheel, clean_environ(root / "home"))
    result = project.call("bundle")
    assert result.status == 0, result
    unpack(project.root / f"{NAME}.tar", project.root)
    return project


@pytest.fixture
def project(pip_wheel: Path, tmp_path: Path, environ: dict[str, str]) -> Project:
    return sound(tmp_path / "project", pip_wheel, environ)


@pytest.fixture
def unpacked(made: Project, tmp_path: Path) -> Path:
    """An unpacked bundle of the test's own."""
    return Path(shutil.copytree(made.root / NAME, tmp_path / "unpacked here"))


@pytest.fixture
def machine(tmp_path: Path, environ: dict[str, str]) -> Project:
    """A machine's empty working directory and HOME."""
    return Project(tmp_path / "another machine", environ)


def unpack(tar: Path, folder: Path) -> Path:
    subprocess.run(["tar", "-xf", tar, "-C", folder], check=True)
    return folder / NAME


def bare() -> str:
    """Return a Python that is no environment's."""
    return str(getattr(sys, "_base_executable", sys.executable))


def run(machine: Project, bundle: Path, *argv: str | Path, python: str | Path | None = None, prefix=()) -> Result:
    return machine.execute(*prefix, python or bare(), "-I", "-S", bundle / "install.py", *argv)


def summed(bundle: Path) -> None:
    """Write SHA256SUMS anew, as somebody would who changes a bundle on purpose."""
    files = sorted(path for path in bundle.rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    text = "".join(f"{sha256(path)}  {path.relative_to(bundle).as_posix()}\n" for path in files)
    (bundle / "SHA256SUMS").write_text(text, encoding="utf-8")


def manifest_of(bundle: Path):
    return json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))


def rewrite(bundle: Path, change: Callable[..., object]) -> None:
    manifest = manifest_of(bundle)
    change(manifest)
    (bundle / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    summed(bundle)


def refused(machine: Project, bundle: Path, *argv: str | Path, status: int = 1, python: Path | None = None) -> str:
    """Run the installer, which must refuse in plain words and change nothing; return what it says."""
    before = machine.tree(), Project(bundle, {}).tree()
    result = run(machine, bundle, *argv, python=python)
    assert result.status == status, result
    assert result.stderr.startswith("error: "), result
    assert "Traceback" not in result.stderr
    assert (machine.tree(), Project(bundle, {}).tree()) == before
    return result.stderr


# What a bundle is


def test_a_bundle_installs_itself_without_a_network_and_changes_nothing_of_its_own(
    machine: Project, unpacked: Path, offline: tuple[str, ...]
):
    for path in [unpacked, *unpacked.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = Project(unpacked, {}).tree()
    polluted = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_DRY_RUN": "1", "PYTHONPATH": "/nowhere"}
    machine.environ.update(polluted)
    first = run(machine, unpacked, "--env", "an env", prefix=offline)
    assert first.status == 0, first
    assert first.stdout.endswith("an env: installed 2 packages, without a network\n")
    assert installed(machine.root / "an env") == EXPECTED, "and no pip"
    assert machine.execute("an env/bin/alpha-says").stdout == "alpha\n"
    state = machine.tree(ignore=())
    second = run(machine, unpacked, "--env", "an env", prefix=offline)
    assert second.status == 0, second
    assert "nothing to do, all 2 packages are as they were installed" in second.stdout
    assert machine.tree(ignore=()) == state
    assert Project(unpacked, {}).tree() == before
    assert list(Path(machine.environ["HOME"]).iterdir()) == []


def test_the_bundle_holds_wheels_locks_and_what_it_takes(made: Project, unpacked: Path, pip_wheel: Path):
    files = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    wheels = {"wheels/alpha-1.0-py3-none-any.whl", WHEEL, f"wheels/{pip_wheel.name}"}
    locks = {"locks/requirements/main.txt", "locks/requirements/bundle.txt"}
    assert files == {"README.txt", "SHA256SUMS", "manifest.json", "install.py", *wheels, *locks}
    assert made.execute("sha256sum", "-c", "--strict", "SHA256SUMS", cwd=unpacked).status == 0
    assert len((unpacked / "SHA256SUMS").read_text("utf-8").splitlines()) == len(files) - 1
    manifest = manifest_of(unpacked)
    assert [(pin["name"], pin["version"]) for pin in manifest["pins"]] == [*EXPECTED.items()]
    assert manifest["pip"]["wheel"] == f"wheels/{pip_wheel.name}"
    assert manifest["markers"] == [['python_version < "3"', "", False]]
    assert str(made.root) not in (unpacked / "manifest.json").read_text("utf-8")


def test_the_same_inputs_give_the_same_bytes_anywhere_and_at_any_time(pip_wheel: Path, made: Project, tmp_path: Path):
    expected = sha256(made.root / f"{NAME}.tar")
    for name, mask in (("a path with spaces/project", 0o077), ("b", 0o002)):
        os.umask(mask)
        project = sound(tmp_path / name, pip_wheel, clean_environ(tmp_path / "home"))
        for number, path in enumerate(sorted(project.root.rglob("*"))):
            os.utime(path, (number, number * 1_000_000))
        result = project.call("bundle", "--output", "other.tar", env={"TZ": "Asia/Kathmandu"})
        assert result.status == 0, result
        assert sha256(project.root / "other.tar") == expected
        assert (project.root / "other.tar").stat().st_mode & 0o777 == 0o666 & ~mask
    with tarfile.open(made.root / f"{NAME}.tar") as tar:
        members = tar.getmembers()
    assert [each.name for each in members] == sorted(each.name for each in members)
    assert {(each.uid, each.gid, each.uname, each.mode, each.mtime, each.isreg()) for each in members} == {
        (0, 0, "", 0o644, 315532800, True)
    }


def test_the_line_to_run_before_unpacking_tells_a_changed_installer(project: Project):
    output = "it's a bundle.tar"
    result = project.call("bundle", "-o", output)
    assert result.status == 0, result
    line = result.stdout.splitlines()[-1].strip()
    done = project.execute("sh", "-c", line)
    assert (done.status, done.stdout) == (0, f"{output}: OK\n"), done
    data = (project.root / output).read_bytes()
    spoiled = data.replace(b"It finds damage.", b"It finds  malice", 1)
    assert spoiled != data
    project.write(output, spoiled)
    assert project.execute("sh", "-c", line).status == 1


def test_pip_can_be_any_layers_but_must_be_somebodys(project: Project, pip_wheel: Path):
    for suffix in ("in", "txt"):
        (project.root / f"requirements/bundle.{suffix}").unlink()
    (project.root / "wheelhouse" / pip_wheel.name).unlink()
    missing = project.call("bundle")
    assert missing.status == 1
    assert "no layer pins pip" in missing.stderr
    assert "hint: `echo pip > requirements/bundle.in`" in missing.stderr
    shutil.copy(pip_wheel, project.root / "wheelhouse")
    wheels = sorted((project.root / "wheelhouse").glob("*.whl"))
    write_layer_of(project, *wheels)
    assert project.call("bundle").status == 0
    manifest = manifest_of(unpack(project.root / f"{NAME}.tar", project.root))
    assert "pip" in [pin["name"] for pin in manifest["pins"]]
    assert manifest["pip"]["locks"] == ["locks/requirements/main.txt"]


def test_the_layer_of_bundles_is_not_installed_unless_it_is_named(project: Project):
    for suffix in ("in", "txt"):
        (project.root / f"requirements/main.{suffix}").rename(project.root / f"requirements/app.{suffix}")
    project.write("requirements/app.txt", project.read("requirements/app.txt").replace("main.in", "app.in"))
    result = project.call("bundle")
    assert result.status == 0, result
    assert [pin["name"] for pin in manifest_of(unpack(project.root / f"{NAME}.tar", project.root))["pins"]] == [
        *EXPECTED
    ]


def test_a_pip_that_is_too_old_is_not_taken_along(project: Project, pip_wheel: Path):
    (project.root / "wheelhouse" / pip_wheel.name).unlink()
    write_layer_of(project, build_wheel(project.root / "wheelhouse", "pip", "22.0"), layer="bundle")
    result = project.call("bundle")
    assert result.status == 1
    assert "pip==22.0 is too old to install a bundle" in result.stderr


@pytest.mark.parametrize(
    ("text", "name"), [("", None), ("[project]\nname = '../up'\n", "'../up' is not a project's name")]
)
def test_a_project_is_called_as_it_says_or_not_at_all(project: Project, text: str, name: str | None):
    project.write("pyproject.toml", text)
    result = project.call("bundle")
    assert result.status == (2 if name else 0), result
    if name:
        assert name in result.stderr
    else:
        assert (project.root / f"lockhouse-{running().name}.tar").is_file()


# What stops it from being written


def test_findings_stop_it(project: Project):
    flip_byte(project.root / WHEEL.replace("wheels", "wheelhouse"))
    result = project.call("bundle")
    assert result.status == 1
    assert "hash-mismatch" in result.stdout
    assert result.stderr == "nothing was bundled\n"
    assert not list(project.root.glob("*.tar"))


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("requirements/main.txt", "the locks do not vouch"),
        (f"wheelhouse/{Path(WHEEL).name}", "changed while it was read"),
    ],
)
def test_what_changes_after_the_check_is_not_bundled(project: Project, path: str, said: str):
    current = projects.read(load(project.root), project.environ)
    layers, house = tuple(current.layers.values()), Wheelhouse(current.config.wheelhouse)
    chosen, of_pip = current.environment(()), current.layers["bundle"]
    match = check(current, layers, target=running(), house=house).match
    assert match
    contents = step.gather(current, chosen, of_pip, match, running())
    data = (project.root / path).read_bytes()
    project.write(path, data.replace(b"--hash=sha256:", b"--hash=sha256:0") if path.endswith(".txt") else data[::-1])
    with pytest.raises(LockhouseError, match=said):
        step.write(contents, current, running(), project.root / "x.tar", {})
    assert [each.name for each in project.root.iterdir() if "x.tar" in each.name] == []


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("requirements/main.txt", "is there and no archive"),
        ("requirements", "is a folder"),
        ("nowhere/x.tar", "there is no folder"),
        ("wheelhouse/x.tar", "the wheelhouse is for wheels only"),
        ("a\nb.tar", "is no name for an archive"),
    ],
)
def test_it_is_written_only_where_it_is_in_nobodys_way(project: Project, output: str, said: str):
    before = project.tree()
    result = project.call("bundle", "--output", output)
    assert result.status == 2, result
    assert said in result.stderr
    assert project.tree() == before


# What the installer refuses


def _flip(bundle: Path) -> None:
    flip_byte(bundle / WHEEL)


def _remove(bundle: Path) -> None:
    (bundle / WHEEL).unlink()


def _add_a_wheel(bundle: Path) -> None:
    build_wheel(bundle / "wheels", "evil", "1.0")


def _add_a_file(bundle: Path) -> None:
    (bundle / "wheels" / "deep").mkdir()
    (bundle / "wheels" / "deep" / "pip.conf").write_text("", encoding="utf-8")


def _change_a_lock(bundle: Path) -> None:
    with (bundle / "locks/requirements/main.txt").open("a", encoding="utf-8") as file:
        file.write("# more\n")


def _change_the_manifest(bundle: Path) -> None:
    (bundle / "manifest.json").write_text("{", encoding="utf-8")


def _link(bundle: Path) -> None:
    moved = (bundle / WHEEL).rename(bundle.parent / "elsewhere.whl")
    (bundle / WHEEL).symlink_to(moved)


def _link_a_folder(bundle: Path) -> None:
    (bundle / "more").symlink_to(bundle / "wheels")


def _lose_the_sums(bundle: Path) -> None:
    (bundle / "SHA256SUMS").unlink()


def _damage_the_sums(bundle: Path) -> None:
    with (bundle / "SHA256SUMS").open("a", encoding="utf-8") as file:
        file.write("\x1b[2J../x\n")


def _add_a_hostile_name(bundle: Path) -> None:
    (bundle / "wheels" / "\x1b[2J\nok.whl").write_text("", encoding="utf-8")
    Path(os.fsdecode(os.fsencode(bundle) + b"/\xff")).write_text("", encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_flip, f"{WHEEL}: changed"),
        (_remove, f"{WHEEL}: missing"),
        (_add_a_wheel, "wheels/evil-1.0-py3-none-any.whl: added"),
        (_add_a_file, "wheels/deep/pip.conf: added"),
        (_change_a_lock, "locks/requirements/main.txt: changed"),
        (_change_the_manifest, "manifest.json: changed"),
        (_link, f"{WHEEL}: not a regular file"),
        (_link_a_folder, "more: added"),
        (_lose_the_sums, "SHA256SUMS"),
        (_damage_the_sums, r"a line that is damaged: \x1b[2J../x"),
        (_add_a_hostile_name, "wheels/\\x1b[2J\\nok.whl: added"),
    ],
)
def test_whatever_was_changed_is_refused_by_its_name(machine: Project, unpacked: Path, spoil, said: str):
    spoil(unpacked)
    message = refused(machine, unpacked)
    assert said in message
    assert "\x1b" not in message


def test_what_lies_beside_the_installer_is_not_imported(machine: Project, unpacked: Path):
    for name in ("argparse", "json", "tempfile"):
        (unpacked / f"{name}.py").write_text("print('evil')\nraise SystemExit(0)\n", encoding="utf-8")
    result = machine.execute(bare(), unpacked / "install.py")
    assert (result.status, result.stdout) == (1, ""), result
    assert "argparse.py: added" in result.stderr


def _other_bytes(bundle: Path) -> None:
    build_wheel(bundle / "wheels", "beta", BETA, files={"beta/__init__.py": "evil = True\n"})
    rewrite(bundle, lambda manifest: manifest["pins"][1].update(sha256=sha256(bundle / WHEEL)))


def _other_lock(bundle: Path) -> None:
    lock = bundle / "locks/requirements/main.txt"
    lock.write_text(lock.read_text("utf-8").replace(sha256(bundle / WHEEL), "0" * 64), encoding="utf-8")
    summed(bundle)


def _unrecorded(bundle: Path) -> None:
    rewrite(
        bundle,
        lambda manifest: manifest["pins"][1].update(sdist="beta-1.0.tar.gz", record="locks/requirements/main.txt"),
    )


def _other_manifest(bundle: Path) -> None:
    rewrite(bundle, lambda manifest: manifest["pins"][1].update(sha256="0" * 64))


def _a_file_outside(bundle: Path) -> None:
    rewrite(bundle, lambda manifest: manifest["pins"][1].update(wheel="/etc/passwd\x1b[2J"))


def _no_lock(bundle: Path) -> None:
    rewrite(bundle, lambda manifest: manifest["pins"][1].update(locks=[]))


def _half_a_manifest(bundle: Path) -> None:
    rewrite(bundle, lambda manifest: manifest["pins"][1].pop("locked"))


def _newer_format(bundle: Path) -> None:
    rewrite(bundle, lambda manifest: manifest.update(format=2))


def _other_marker(bundle: Path) -> None:
    rewrite(bundle, lambda manifest: manifest.update(markers=[["python_version < '3'", "", True]]))


def _other_platform(bundle: Path) -> None:
    other = WHEEL.replace("py3-none-any", "cp311-cp311-win_amd64")
    (bundle / WHEEL).rename(bundle / other)
    rewrite(bundle, lambda manifest: manifest["pins"][1].update(wheel=other))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_other_bytes, f"{WHEEL}: these are not the locked bytes"),
        (_other_lock, "locks/requirements/main.txt: does not lock beta to sha256:"),
        (_unrecorded, f"{WHEEL}: was built, and locks/requirements/main.txt does not vouch for these bytes"),
        (_other_manifest, f"{WHEEL}: these are not the bytes that manifest.json names"),
        (_a_file_outside, r"manifest.json names /etc/passwd\x1b[2J, which is not of this bundle"),
        (_no_lock, f"{WHEEL}: no lock asks for it"),
        (_half_a_manifest, "manifest.json is not one that this installer can read: KeyError('locked')"),
        (_newer_format, "manifest.json is of format 2, and this installer knows format 1"),
        (_other_marker, "python_version < '3': holds on one of the two machines only"),
        (_other_platform, "local.1-cp311-cp311-win_amd64.whl: does not fit this machine"),
    ],
)
def test_what_the_locks_or_this_machine_do_not_agree_with_is_refused(
    machine: Project, unpacked: Path, spoil, said: str
):
    spoil(unpacked)
    assert said in refused(machine, unpacked)


@pytest.mark.parametrize("version", [(3, 6), (3, 9), (3, 12)])
def test_another_python_is_refused_in_plain_words(machine: Project, unpacked: Path, version: tuple[int, int]):
    if version == sys.version_info[:2]:
        pytest.skip("that is the one it was made for")
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    old = next(iter(root.glob(f"versions/3.{version[1]}.*/bin/python")), None)
    message = refused(machine, unpacked, python=pythons().get(version) or old or require_python(*version))
    assert f"expected: cpython {running().series} on" in message
    assert f"actual:   cpython {version[0]}.{version[1]} on" in message


def _folder(env: Path) -> None:
    (env / "bin").mkdir(parents=True)
    (env / "precious").write_text("data", encoding="utf-8")


def _file(env: Path) -> None:
    env.write_text("data", encoding="utf-8")


def _link_to_nowhere(env: Path) -> None:
    env.symlink_to("nowhere")


@pytest.mark.parametrize("stand", [_folder, _file, _link_to_nowhere])
def test_what_the_installer_has_not_made_stays_as_it_is(machine: Project, unpacked: Path, stand):
    stand(machine.root / ".venv")
    assert "stays as it is: use --env" in refused(machine, unpacked, status=2)


def test_the_environment_cannot_be_where_the_bundle_is(machine: Project, unpacked: Path):
    for place in (unpacked, unpacked.parent):
        assert "this cannot be the environment" in refused(machine, unpacked, "--env", place, status=2)
    result = run(machine, unpacked, "--insecure")
    assert result.status == 2
    assert "usage: " in result.stderr


# What comes of an environment


@pytest.mark.slow
def test_an_environment_that_is_not_as_installed_is_made_anew(machine: Project, unpacked: Path):
    env = unpacked / ".venv"
    for spoiled in (None, "alpha/__init__.py", f"beta-{BETA}.dist-info/RECORD", "../../../bin/python"):
        if spoiled:
            (site_packages(env) / spoiled).unlink()
        # Inside the bundle's own folder, of which the environment is no part.
        result = run(machine, unpacked, "--env", env)
        assert result.status == 0, result
        assert "installed 2 packages" in result.stdout
        assert installed(env) == EXPECTED
    assert "nothing to do" in run(machine, unpacked, "--env", env).stdout


@pytest.mark.slow
def test_killed_at_any_moment_the_next_run_makes_it_whole(machine: Project, unpacked: Path):
    env = machine.root / ".venv"
    for far_enough in (".lockhouse-bundle", "pyvenv.cfg", "lib/*/site-packages/alpha*"):
        shutil.rmtree(env, ignore_errors=True)
        command = [bare(), "-I", "-S", str(unpacked / "install.py")]
        process = subprocess.Popen(
            command, cwd=machine.root, env=machine.environ, stdout=subprocess.DEVNULL, start_new_session=True
        )
        deadline = time.monotonic() + 60
        while not any(env.glob(far_enough)):
            assert time.monotonic() < deadline
            time.sleep(0.001)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        result = run(machine, unpacked)
        assert result.status == 0, result
        assert installed(env) == EXPECTED
        assert machine.execute(env / "bin" / "alpha-says").stdout == "alpha\n"


@pytest.mark.slow
@pytest.mark.parametrize("version", [(3, 10), (3, 12), (3, 13)])
def test_a_bundle_is_for_the_python_of_the_environment(project: Project, machine: Project, version: tuple[int, int]):
    python = require_python(*version)
    make_venv(project.root / ".venv", python)
    result = project.call("bundle", "-o", "x.tar")
    assert result.status == 0, result
    subprocess.run(["tar", "-xf", project.root / "x.tar", "-C", machine.root], check=True)
    [bundle] = machine.root.glob("demo-lockhouse-*")
    assert f"cp{version[0]}{version[1]}" in bundle.name
    done = run(machine, bundle, python=python)
    assert done.status == 0, done
    assert installed(machine.root / ".venv") == EXPECTED


@pytest.mark.slow
def test_what_was_built_here_travels_with_its_record(
    tmp_path: Path, environ: dict[str, str], index: Index, pip_wheel: Path, machine: Project
):
    build_sdist(index.directory, "legacy", "1.0", style="in-tree")
    shutil.copy(pip_wheel, index.directory)
    project = Project(tmp_path / "project", {**environ, "PIP_INDEX_URL": index.url})
    project.write("pyproject.toml", "[project]\nname = 'demo'\n")
    project.write("requirements/main.in", "legacy\n")
    assert project.call("lock").status == 0
    missing = project.call("bundle")
    assert missing.status == 1
    # As the hint says.
    hint = missing.stderr.partition("hint: ")[2]
    echo = shlex.split(hint.partition("`")[2].partition("`")[0], posix=True)
    assert echo == ["echo", "pip", ">", "requirements/bundle.in"]
    project.write("requirements/bundle.in", "pip\n")
    for word in ("lock", "wheelhouse", "bundle"):
        result = project.call(word)
        assert result.status == 0, result
    bundle = unpack(project.root / f"{NAME}.tar", tmp_path)
    [pin] = manifest_of(bundle)["pins"]
    assert (pin["sdist"], pin["locked"]) == ("legacy-1.0.tar.gz", f"sha256:{sha256(index.directory / pin['sdist'])}")
    assert (bundle / "locks/requirements/built.sum").is_file()
    assert run(machine, bundle).status == 0
    assert installed(machine.root / ".venv") == {"legacy": "1.0"}
    record = bundle / "locks/requirements/built.sum"
    record.write_text(record.read_text("utf-8").replace(pin["sha256"], "0" * 64), encoding="utf-8")
    summed(bundle)
    assert "was built, and locks/requirements/built.sum does not vouch" in refused(machine, bundle)


@pytest.mark.slow
def test_our_own_bundle_installs_on_a_bare_machine(
    tmp_path: Path, home: Path, offline: tuple[str, ...], machine: Project
):
    if not list((ROOT / "wheelhouse").glob("*.whl")):
        pytest.skip("this checkout has no wheelhouse: `make wheelhouse`")
    tar = tmp_path / "own.tar"
    result = Project(ROOT, clean_environ(home)).run("bundle", "--output", tar)
    assert result.status == 0, result
    subprocess.run(["tar", "-xf", tar, "-C", machine.root], check=True)
    tar.unlink()
    [bundle] = machine.root.glob("lockhouse-lockhouse-*")
    done = machine.execute(*offline, bare(), "-I", "-S", bundle / "install.py", timeout=400)
    assert done.status == 0, done
    assert len(installed(machine.root / ".venv")) == len(manifest_of(bundle)["pins"])
    assert machine.execute(".venv/bin/ruff", "--version").status == 0
    assert list(home.iterdir()) == []
