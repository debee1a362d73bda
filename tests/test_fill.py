"""Filling the wheelhouse: exactly the locked wheels come and stay, in parallel, and nothing is asked that is not needed."""

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from packaging.tags import sys_tags

from support.index import Fault, Index
from support.locks import write_layer, write_layer_of
from support.project import Project, Result
from support.wheels import build_sdist, build_wheel, flip_byte, sha256

NAMES = ("alpha", "beta", "gamma", "delta")


@pytest.fixture
def project(project: Project) -> Project:
    project.environ["PIP_RETRIES"] = "0"
    return project


@pytest.fixture
def wheels(index: Index) -> dict[str, Path]:
    """One wheel each of four projects, and newer ones, which nothing locks."""
    for name in NAMES:
        build_wheel(index.directory, name, "2.0")
    return {name: build_wheel(index.directory, name, "1.0", size=1000) for name in NAMES}


@pytest.fixture
def locked(project: Project, wheels: dict[str, Path]) -> Project:
    """Two layers that lock the four wheels between them; there is no wheelhouse yet."""
    write_layer_of(project, wheels["alpha"], wheels["beta"])
    write_layer_of(project, wheels["beta"], wheels["gamma"], wheels["delta"], layer="dev", head="-c main.txt\n")
    return project


def filled(project: Project, *argv: str) -> Result:
    result = project.call("wheelhouse", *argv)
    assert result.status == 0, result
    return result


def housed(project: Project) -> dict[str, str]:
    """Return the sha256 of what is in the wheelhouse, but for what Lockhouse writes about it."""
    tree = project.tree("wheelhouse")
    own = ("wheelhouse/.lockhouse", "wheelhouse/SHA256SUMS")
    return {path.removeprefix("wheelhouse/"): digest for path, digest in tree.items() if not path.startswith(own)}


def as_files(*paths: Path) -> dict[str, str]:
    return {path.name: sha256(path) for path in paths}


def downloads(index: Index) -> list[str]:
    return sorted(request.filename or "" for request in index.downloads)


def said(result: Result) -> str:
    return result.stdout + result.stderr


# What comes


def test_exactly_the_locked_wheels_come(locked: Project, index: Index, wheels: dict[str, Path]):
    result = filled(locked)
    assert housed(locked) == as_files(*wheels.values())
    assert downloads(index) == sorted(wheel.name for wheel in wheels.values())
    assert len(index.requests) == 8, "one page and one file a pin"
    size = sum(wheel.stat().st_size for wheel in wheels.values())
    assert result.stdout.startswith(f"wheelhouse: fetched 4 ({size / 1000:.1f} kB), kept 0, removed 0 in ")
    assert locked.tree("wheelhouse/.lockhouse/tmp") == {}


def test_several_wheels_come_at_a_time(locked: Project, index: Index):
    # Every file is held back until all four are asked for, so that one after the other would never end.
    together = threading.Barrier(4, timeout=30)

    def fault(request):
        if request.filename:
            together.wait()

    index.fault = fault
    filled(locked)
    assert len(housed(locked)) == 4


def test_no_more_connections_are_made_than_the_project_wants(locked: Project, index: Index):
    locked.write("pyproject.toml", "[tool.lockhouse]\nconnections = 1\n")
    filled(locked)
    assert len({request.connection for request in index.requests}) == 1


def test_the_biggest_wheels_come_first_and_a_very_big_one_before_all_pages_are_read(project: Project, index: Index):
    sizes = {"a": 10_000, "b": 5_000_000, "c": 300_000, "d": 1_000, "e": 200_000}
    write_layer_of(project, *(build_wheel(index.directory, name, "1.0", size=size) for name, size in sizes.items()))
    project.write("pyproject.toml", "[tool.lockhouse]\nconnections = 1\n")
    filled(project)
    asked = [request.filename.partition("-")[0] if request.filename else "page" for request in index.requests]
    assert asked == ["page", "page", "b", "page", "page", "page", "c", "e", "a", "d"]


def test_a_wheel_is_written_to_disk_as_it_comes(project: Project, index: Index):
    wheel = build_wheel(index.directory, "alpha", "1.0", size=200_000_000)
    write_layer_of(project, wheel)
    # Lockhouse itself takes some 60 MB of memory, pip's modules included.
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    result = project.run("wheelhouse", prefix=(sys.executable, "-c", code))
    assert result.status == 0, result
    assert housed(project) == as_files(wheel)
    assert int(result.stdout.split()[-1]) < 150_000


def test_a_second_run_asks_nobody_and_changes_nothing(locked: Project, index: Index, home: Path):
    filled(locked)
    before = {path: path.stat().st_mtime_ns for path in (locked.root / "wheelhouse").rglob("*") if path.is_file()}
    index.reset_log()
    result = filled(locked)
    assert not index.requests
    assert "fetched 0 (0 B), kept 4, removed 0" in result.stdout
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert not [path for path in home.rglob("*") if "pip" in path.parts], "pip's cache does not grow"


def test_sums_and_manifest_say_what_is_there(locked: Project, index: Index, wheels: dict[str, Path]):
    index.auth = ("me", "secret")
    index.redirect = True
    locked.environ["PIP_INDEX_URL"] = index.url_with_password
    result = filled(locked)
    checked = locked.execute("sha256sum", "-c", "--strict", "SHA256SUMS", cwd=locked.root / "wheelhouse")
    assert checked.status == 0, checked
    assert checked.stdout.count(": OK\n") == 4
    text = locked.read("wheelhouse/.lockhouse/manifest.json")
    manifest = json.loads(text)
    assert manifest["schema"] == 1
    assert manifest["wheels"]["alpha-1.0-py3-none-any.whl"] == {
        "origin": f"http://{index.host}/files/alpha-1.0-py3-none-any.whl",
        "sha256": sha256(wheels["alpha"]),
        "size": wheels["alpha"].stat().st_size,
    }
    assert set(manifest["wheels"]) == set(as_files(*wheels.values()))
    assert len(index.signatures) == 4
    assert not index.leaks, "the password did not go to the other host"
    for secret in ("secret", "sig=", "?", *index.signatures):
        assert secret not in text + said(result)


def test_the_best_wheel_for_the_target_comes(project: Project, index: Index):
    native = str(next(iter(sys_tags())))
    pure = build_wheel(index.directory, "alpha", "1.0")
    best = build_wheel(index.directory, "alpha", "1.0", tag=native)
    other = build_wheel(index.directory, "alpha", "1.0", tag="cp39-cp39-win_amd64")
    older = build_wheel(index.directory, "beta", "1.0", build="2")
    newer = build_wheel(index.directory, "beta", "1.0", build="10")
    unlocked = build_wheel(index.directory, "beta", "1.0", build="11")
    write_layer_of(project, pure, best, other, older, newer)
    filled(project)
    assert housed(project) == as_files(best, newer)
    assert unlocked.name not in downloads(index)


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
def test_any_strong_hash_will_do(project: Project, index: Index, algorithm: str):
    import hashlib

    wheel = build_wheel(index.directory, "alpha", "1.0")
    digest = hashlib.new(algorithm, wheel.read_bytes()).hexdigest()
    project.write("requirements/main.in", "alpha\n")
    project.write("requirements/main.txt", f"alpha==1.0 --hash={algorithm}:{digest}\n")
    filled(project)
    assert housed(project) == as_files(wheel)
    index.reset_log()
    filled(project)
    assert not index.requests


@pytest.mark.parametrize("json_page", [True, False])
def test_an_index_that_states_no_hashes_will_do(locked: Project, index: Index, wheels: dict[str, Path], json_page):
    index.state_hashes, index.json = False, json_page
    filled(locked)
    assert housed(locked) == as_files(*wheels.values())
    assert downloads(index) == sorted(wheel.name for wheel in wheels.values())


def test_of_wheels_whose_hash_is_not_stated_the_bytes_decide(project: Project, index: Index):
    impostor = build_wheel(index.directory, "alpha", "1.0", build="7")
    right = build_wheel(index.directory, "alpha", "1.0")
    index.state_hashes = False
    write_layer_of(project, right)
    filled(project)
    assert housed(project) == as_files(right)
    assert impostor.name in downloads(index), "it was tried, as the better name, and did not get in"


def test_a_pin_that_does_not_apply_here_needs_nothing(project: Project, index: Index):
    wheel = build_wheel(index.directory, "alpha", "1.0")
    text = write_layer_of(project, wheel).read_text()
    project.write("requirements/main.txt", text.replace("alpha==1.0", "alpha==1.0 ; python_version < '3'"))
    filled(project)
    assert housed(project) == {}
    assert not index.requests


def test_find_links_of_the_project_and_of_a_source_take_part(project: Project, index: Index):
    ours = build_wheel(project.root / "ours", "alpha", "1.0")
    theirs = build_wheel(project.root / "requirements" / "beside", "beta", "1.0")
    project.write("pyproject.toml", "[tool.lockhouse]\nfind-links = ['ours']\n")
    write_layer_of(project, ours, theirs, head="--find-links beside\n--no-index\n")
    filled(project)
    assert housed(project) == as_files(ours, theirs)
    assert not index.requests


def test_an_index_that_a_source_names_is_asked(project: Project, index: Index, tmp_path: Path):
    wheel = build_wheel(tmp_path / "second", "alpha", "1.0")
    missing = build_wheel(index.directory, "beta", "1.0")
    with Index(tmp_path / "second") as second:
        project.environ["INDEX_HOST"] = second.host
        head = "--extra-index-url http://${INDEX_HOST}/simple/\n--trusted-host 127.0.0.1\n"
        write_layer_of(project, wheel, missing, head=head)
        filled(project)
        assert downloads(second) == [wheel.name]
        assert downloads(index) == [missing.name]
        # With --index-url, the configured one is asked no more.
        (project.root / "wheelhouse" / wheel.name).unlink()
        write_layer_of(project, wheel, missing, head="--index-url http://${INDEX_HOST}/simple/\n")
        index.reset_log()
        filled(project)
    assert not index.requests


# What stays and what goes


def test_only_what_no_lock_asks_for_goes(locked: Project, index: Index, wheels: dict[str, Path]):
    filled(locked)
    write_layer_of(locked, wheels["gamma"], layer="dev", head="-c main.txt\n")
    index.reset_log()
    result = filled(locked)
    assert housed(locked) == as_files(wheels["alpha"], wheels["beta"], wheels["gamma"])
    assert "fetched 0 (0 B), kept 3, removed 1" in result.stdout
    assert not index.requests
    assert "delta" not in locked.read("wheelhouse/SHA256SUMS") + locked.read("wheelhouse/.lockhouse/manifest.json")


def test_a_named_layer_needs_less_and_takes_nothing_from_the_others(locked: Project, wheels: dict[str, Path], index):
    filled(locked, "main")
    assert housed(locked) == as_files(wheels["alpha"], wheels["beta"])
    filled(locked, "requirements/dev.in")
    assert housed(locked) == as_files(*wheels.values())
    index.reset_log()
    filled(locked, "main")
    assert housed(locked) == as_files(*wheels.values())
    assert not index.requests


def test_what_is_no_wheel_is_left_alone_and_named(locked: Project, wheels: dict[str, Path]):
    locked.write("wheelhouse/notes.txt", "mine")
    locked.write("wheelhouse/alpha-1.0.tar.gz", "mine")
    locked.write("wheelhouse/folder/inside", "mine")
    locked.write("wheelhouse/folder.whl/inside", "mine")
    locked.write("wheelhouse/.gitignore", "*")
    result = filled(locked)
    assert set(housed(locked)) == {
        ".gitignore",
        "alpha-1.0.tar.gz",
        "folder.whl/inside",
        "folder/inside",
        "notes.txt",
        *as_files(*wheels.values()),
    }
    for name in ("alpha-1.0.tar.gz", "folder", "folder.whl", "notes.txt"):
        assert f"left alone: wheelhouse/{name} (" in result.stderr
    assert "gitignore" not in result.stderr


def test_a_wheel_that_is_there_already_is_believed_for_its_bytes(locked: Project, index: Index, wheels):
    locked.write("wheelhouse/alpha-1.0-py3-none-any.whl", wheels["alpha"].read_bytes())
    locked.write("wheelhouse/beta-1.0-py3-none-any.whl", wheels["alpha"].read_bytes())
    filled(locked)
    assert wheels["alpha"].name not in downloads(index)
    assert housed(locked) == as_files(*wheels.values())
    manifest = json.loads(locked.read("wheelhouse/.lockhouse/manifest.json"))
    assert manifest["wheels"]["alpha-1.0-py3-none-any.whl"]["origin"] == "found here"


def _flipped(house: Path, wheel: Path, project: Project) -> None:
    flip_byte(house / wheel.name)


def _deleted(house: Path, wheel: Path, project: Project) -> None:
    (house / wheel.name).unlink()


def _empty(house: Path, wheel: Path, project: Project) -> None:
    (house / wheel.name).write_bytes(b"")


def _impostor(house: Path, wheel: Path, project: Project) -> None:
    build_wheel(house, "alpha", "1.0", build="1")


def _newer(house: Path, wheel: Path, project: Project) -> None:
    build_wheel(house, "alpha", "9.0")


def _misnamed(house: Path, wheel: Path, project: Project) -> None:
    (house / "alpha-1.0.whl").write_bytes(wheel.read_bytes())


def _linked(house: Path, wheel: Path, project: Project) -> None:
    (house / wheel.name).unlink()
    (house / wheel.name).symlink_to(wheel)


def _dangling(house: Path, wheel: Path, project: Project) -> None:
    (house / "notes.txt").symlink_to("nowhere")


def _other_platform(house: Path, wheel: Path, project: Project) -> None:
    build_wheel(house, "alpha", "1.0", tag="cp39-cp39-win_amd64")


def _sums_gone(house: Path, wheel: Path, project: Project) -> None:
    (house / "SHA256SUMS").unlink()


def _manifest_spoilt(house: Path, wheel: Path, project: Project) -> None:
    (house / ".lockhouse" / "manifest.json").write_text("{", encoding="utf-8")


def _left_over(house: Path, wheel: Path, project: Project) -> None:
    (house / ".lockhouse" / "tmp" / "x.part").write_bytes(b"half")


@pytest.mark.parametrize(
    ("spoil", "fetched"),
    [
        (_flipped, 1),
        (_deleted, 1),
        (_empty, 1),
        (_impostor, 0),
        (_newer, 0),
        (_misnamed, 0),
        (_linked, 1),
        (_dangling, 0),
        (_other_platform, 0),
        (_sums_gone, 0),
        (_manifest_spoilt, 0),
        (_left_over, 0),
    ],
)
def test_whatever_is_wrong_is_repaired_with_no_more_than_it_takes(locked, index, wheels, spoil, fetched):
    filled(locked)
    before = locked.tree("wheelhouse")
    spoil(locked.root / "wheelhouse", wheels["alpha"], locked)
    assert locked.tree("wheelhouse") != before
    index.reset_log()
    filled(locked)
    after = locked.tree("wheelhouse")
    if spoil is _manifest_spoilt:
        # Where the wheels came from is forgotten with it.
        for tree in (before, after):
            del tree["wheelhouse/.lockhouse/manifest.json"]
    assert after == before
    assert downloads(index) == [wheels["alpha"].name] * fetched
    assert bool(index.requests) == bool(fetched)


# What cannot be had


def failed(project: Project, *argv: str) -> Result:
    result = project.call("wheelhouse", *argv)
    assert result.status == 1, result
    assert result.stdout == ""
    return result


@pytest.mark.parametrize("stated", [True, False])
def test_other_bytes_than_the_locked_ones_never_get_a_name(locked: Project, index: Index, wheels, stated):
    index.state_hashes = stated
    index.fault = lambda request: Fault(body=b"other bytes") if request.filename == wheels["beta"].name else None
    result = failed(locked)
    assert housed(locked) == as_files(wheels["alpha"], wheels["gamma"], wheels["delta"])
    assert "error: requirements/main.txt:4: beta==1.0: beta-1.0-py3-none-any.whl: what came is not" in result.stderr
    assert f"(11 bytes of text/plain from http://{index.host}/files/beta-1.0-py3-none-any.whl)" in result.stderr
    assert result.stderr.endswith("error: 1 wheel could not be had\n")
    assert locked.tree("wheelhouse/.lockhouse/tmp") == {}
    # What came is written down, so that it is known next time where it came from.
    assert locked.read("wheelhouse/SHA256SUMS").count("\n") == 3
    index.fault = None
    index.reset_log()
    filled(locked)
    assert downloads(index) == [wheels["beta"].name]


def test_an_index_that_states_a_wrong_hash_is_not_even_asked_for_the_file(locked: Project, index: Index, wheels):
    flip_byte(index.directory / wheels["alpha"].name)
    result = failed(locked)
    assert wheels["alpha"].name not in downloads(index)
    assert "alpha==1.0: the lock has no hash of the wheels that fit" in result.stderr
    assert "hint: if the lock is out of date, run `make upgrade P=alpha`" in result.stderr


def test_a_failure_removes_nothing(locked: Project, index: Index, wheels: dict[str, Path]):
    filled(locked)
    (locked.root / "wheelhouse" / wheels["alpha"].name).unlink()
    extra = build_wheel(locked.root / "wheelhouse", "extra", "1.0")
    index.stop()
    failed(locked)
    assert extra.is_file()


def _no_project(index: Index, target: str) -> str:
    return "no index has this project"


def _no_version(index: Index, target: str) -> str:
    build_wheel(index.directory, "zeta", "2.0")
    return "no index has version 1.0"


def _other_platforms(index: Index, target: str) -> str:
    for tag in ("cp39-cp39-win_amd64", "cp39-cp39-macosx_11_0_arm64"):
        build_wheel(index.directory, "zeta", "1.0", tag=tag)
    return f"no wheel for {target} (there are 2 for other targets)"


def _only_sdist(index: Index, target: str) -> str:
    build_sdist(index.directory, "zeta", "1.0")
    return f"no wheel for {target}, only a source distribution"


def _other_python(index: Index, target: str) -> str:
    build_wheel(index.directory, "zeta", "1.0", requires_python=">=9")
    return "require Python >=9"


@pytest.mark.parametrize("spoil", [_no_project, _no_version, _other_platforms, _only_sdist, _other_python])
def test_a_pin_without_a_wheel_is_named_with_its_place_and_the_target(locked, index, wheels, tmp_path, spoil):
    from lockhouse.target import running

    reason = spoil(index, running().name)
    files = list(index.directory.glob("zeta-1.0*")) or [build_wheel(tmp_path / "gone", "zeta", "1.0")]
    write_layer(locked, {"alpha==1.0": [wheels["alpha"]], "zeta==1.0": files})
    result = failed(locked)
    assert "error: requirements/main.txt:4: zeta==1.0: " in result.stderr
    assert reason in result.stderr
    mend = (
        "run `make lock`, which finds out"
        if spoil is _only_sdist
        else "if the lock is out of date, run `make upgrade P=zeta`"
    )
    assert f"hint: {mend}" in result.stderr
    assert wheels["alpha"].name in housed(locked), "the others are kept"


@pytest.mark.slow
def test_pins_that_fail_for_one_reason_are_told_of_once(locked: Project, index: Index):
    index.stop()
    result = failed(locked)
    assert result.stderr.count("error: ") == 2
    assert "main.txt:1: alpha==1.0, beta==1.0, delta==1.0, gamma==1.0: " in result.stderr
    assert "Connection refused" in result.stderr
    assert result.stderr.endswith("error: 4 wheels could not be had\n")


def test_a_host_that_is_down_is_found_out_once(project: Project, index: Index):
    # Each try at a port that says nothing takes the timeout: ten times that would show, and hang a build. So one thread
    # knocks, a few times, and nobody else.
    wheels = [build_wheel(index.directory, f"p{number}", "1.0") for number in range(10)]
    write_layer_of(project, *wheels)
    index.fault = lambda request: Fault(reset=True)
    result = failed(project)
    assert len(index.requests) < 10
    assert len({request.path for request in index.requests}) < 10, "there are pins that nobody asked for"
    assert result.stderr.count("error: ") == 2
    assert ", ".join(f"p{number}==1.0" for number in range(10)) + ": " in result.stderr, "every pin is named"


@pytest.mark.parametrize("secret", ["wrong", "w/r?o#n@g", "wröng"])
def test_a_wrong_password_is_one_error_and_tried_at_most_twice(locked: Project, index: Index, secret):
    index.auth = ("me", secret)
    locked.environ["PIP_INDEX_URL"] = index.url_with_password
    index.auth = ("me", "right")
    result = failed(locked)
    assert len(index.requests) <= 2
    assert result.stderr.count("error: ") == 2
    assert f"{index.host} refuses the credentials it was given, or wants some (HTTP status 401" in result.stderr
    assert "hint: put them into the index URL" in result.stderr
    for shown in (secret, locked.environ["PIP_INDEX_URL"].split("@")[0].rpartition(":")[2]):
        assert shown not in said(result).replace("wrong one", "")


@pytest.mark.parametrize("password", ["right", "r/i?g#h@t"])
def test_the_right_password_opens_the_index(locked: Project, index: Index, password):
    index.auth = ("me", password)
    locked.environ["PIP_INDEX_URL"] = index.url_with_password
    filled(locked)
    assert len(housed(locked)) == 4
    assert {request.status for request in index.requests} <= {200}, "it is sent at once"


def test_a_netrc_opens_the_index_too(locked: Project, index: Index, home: Path):
    index.auth = ("me", "right")
    home.joinpath(".netrc").write_text("machine 127.0.0.1 login me password right\n", encoding="utf-8")
    filled(locked)
    assert len(housed(locked)) == 4


def test_an_index_that_forbids_is_an_error_of_its_own(locked: Project, index: Index):
    index.fault = lambda request: Fault(status=403)
    assert "HTTP status 403" in failed(locked).stderr


# Bad networks


@pytest.mark.parametrize(
    "fault",
    [Fault(cut=500), Fault(cut=500, reset=True), Fault(reset=True), Fault(content_length=10_000_000)],
    ids=["cut", "reset-halfway", "reset", "too-long"],
)
@pytest.mark.parametrize("redirect", [False, True])
def test_a_broken_transfer_is_tried_again(locked: Project, index: Index, wheels: dict[str, Path], fault, redirect):
    index.redirect = redirect
    role = "blob" if redirect else "index"
    index.fault = lambda request: (
        fault if request.filename == wheels["beta"].name and request.role == role and request.attempt < 3 else None
    )
    filled(locked)
    assert housed(locked) == as_files(*wheels.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "reason", "redirect"),
    [
        (Fault(cut=500), "the transfer broke: ", True),
        (Fault(status=500), "HTTP status 500 (given up after ", False),
        (Fault(status=404), "is not there (HTTP status 404)", False),
        (Fault(status=404), "is not there (HTTP status 404)", True),
        (Fault.html(), " bytes of text/html from ", False),
        (Fault.html(), " bytes of text/html from ", True),
    ],
)
def test_a_transfer_that_keeps_failing_is_given_up(locked: Project, index: Index, fault, reason, redirect):
    wheels = {name: index.directory / f"{name}-1.0-py3-none-any.whl" for name in NAMES}
    index.redirect, index.ranges = redirect, False
    role = "blob" if redirect else "index"
    index.fault = lambda request: fault if request.filename == wheels["beta"].name and request.role == role else None
    result = failed(locked)
    assert f"beta==1.0: {wheels['beta'].name}: " in result.stderr
    assert reason in result.stderr
    assert set(housed(locked)) == {wheels[name].name for name in ("alpha", "gamma", "delta")}
    tries = [request for request in index.requests if request.filename == wheels["beta"].name and request.role == role]
    assert len(tries) <= 16
    assert "sig=" not in said(result)
    assert not [signature for signature in index.signatures if signature in said(result)]


def test_a_signed_url_that_has_run_out_is_asked_for_anew(locked: Project, index: Index, wheels: dict[str, Path]):
    index.redirect = True
    index.lifetime = -1

    def fault(request):
        if request.role == "blob":
            index.lifetime = 60

    index.fault = fault
    filled(locked)
    assert housed(locked) == as_files(*wheels.values())
    assert [request.status for request in index.requests if request.role == "blob"].count(403) >= 1


@pytest.mark.slow
def test_a_store_that_refuses_for_ever_is_not_mistaken_for_the_index(locked: Project, index: Index):
    index.redirect = True
    index.fault = lambda request: Fault(status=403) if request.role == "blob" else None
    result = failed(locked)
    assert f"leads to {index.blob_host}, which refuses (HTTP status 403)" in result.stderr
    assert "credentials" not in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.html(), "no index has"),
        (Fault(body=b"{", status=200, content_type="application/vnd.pypi.simple.v1+json"), "is not an index page"),
        (Fault(body=b"?", status=200, content_type="application/x-other"), "is not an index page"),
        (Fault(status=500), "500"),
    ],
    ids=["portal", "broken", "other", "error"],
)
def test_a_page_that_is_none_is_said_to_be_none(locked: Project, index: Index, fault, reason):
    index.fault = lambda request: None if request.filename else fault
    assert reason in failed(locked).stderr


def test_one_index_that_is_down_does_not_keep_another_from_serving(locked: Project, index: Index, wheels, tmp_path):
    (tmp_path / "second").mkdir()
    with Index(tmp_path / "second") as second:
        locked.environ["PIP_EXTRA_INDEX_URL"] = second.url
    filled(locked)
    assert housed(locked) == as_files(*wheels.values())


@pytest.mark.parametrize("environ", [{"PIP_NO_INDEX": "1"}, {"PIP_INDEX_URL": "no-url"}])
def test_where_there_is_no_index_to_ask_that_is_said(locked: Project, index: Index, environ):
    locked.environ.update(environ)
    assert "there is no index to ask" in failed(locked).stderr
    assert not index.requests


def test_a_broken_pip_configuration_is_named(locked: Project):
    locked.environ["PIP_CONFIG_FILE"] = str(locked.write("pip.conf", "no section\n"))
    result = locked.call("wheelhouse")
    assert result.status == 2
    assert "error: pip's configuration cannot be read: " in result.stderr
    assert "pip.conf" in result.stderr


# Locks that cannot be met


def test_a_pin_without_a_strong_hash_is_refused(project: Project, index: Index):
    build_wheel(index.directory, "alpha", "1.0")
    project.write("requirements/main.in", "alpha\n")
    project.write("requirements/main.txt", f"alpha==1.0 --hash=md5:{'0' * 32}\n")
    result = project.call("wheelhouse")
    assert result.status == 1
    assert "requirements/main.txt:1: pin-weak-hash: " in result.stdout
    assert "cannot be fetched by hash" in result.stderr
    assert not index.downloads


def test_two_layers_that_want_one_name_for_different_bytes_cannot_both_be_served(project: Project, index, tmp_path):
    # Layers that have nothing to do with each other, each with an index of its own.
    one = build_wheel(index.directory, "alpha", "1.0", size=10)
    other = build_wheel(tmp_path / "second", "alpha", "1.0", size=20)
    with Index(tmp_path / "second") as second:
        write_layer_of(project, one)
        write_layer_of(project, other, layer="apart", head=f"--extra-index-url {second.url}\n")
        result = failed(project)
    assert "alpha==1.0: two layers lock different bytes under one file name" in result.stderr
    assert len(housed(project)) == 1


def test_a_missing_lock_is_a_failure(project: Project):
    project.write("requirements/main.in", "alpha\n")
    result = project.call("wheelhouse")
    assert result.status == 1
    assert "requirements/main.txt does not exist" in result.stderr


def test_a_full_disk_stops_everything_at_once(project: Project, index: Index):
    write_layer_of(project, *(build_wheel(index.directory, f"p{number}", "1.0", size=300_000) for number in range(3)))
    command = ("prlimit", "--fsize=200000", "--")
    result = project.run("wheelhouse", prefix=command)
    assert result.status == 1, result
    assert "File too large" in result.stderr
    assert housed(project) == {}
    assert project.tree("wheelhouse/.lockhouse/tmp") == {}
    filled(project)
    assert len(housed(project)) == 3


# Two runs, and interruptions


def _until(condition, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_two_runs_at_once_take_turns(locked: Project, index: Index, wheels: dict[str, Path]):
    hold = threading.Event()

    def fault(request):
        if request.filename:
            hold.wait(60)

    index.fault = fault
    first = locked.start("wheelhouse")
    _until(lambda: any(request.filename for request in index.requests), first)
    second = locked.start("wheelhouse")
    assert second.stderr is not None
    line = second.stderr.readline()
    hold.set()
    outputs = [process.communicate(timeout=60) for process in (first, second)]
    assert line == "waiting for another run of lockhouse to finish\n"
    assert [process.returncode for process in (first, second)] == [0, 0], outputs
    assert "fetched 4 " in outputs[0][0]
    assert "fetched 0 (0 B), kept 4" in outputs[1][0]
    assert len(downloads(index)) == 4
    assert housed(locked) == as_files(*wheels.values())


@pytest.mark.parametrize("stalled", ["page", "file", "halfway"])
def test_an_interruption_ends_at_once_with_nothing_half(locked: Project, index: Index, wheels, stalled):
    hold = threading.Event()
    big = build_wheel(index.directory, "big", "1.0", size=1_000_000)
    write_layer_of(locked, big)
    index.rate = 200_000 if stalled == "halfway" else None

    def fault(request):
        if (request.filename == big.name) == (stalled == "file") and stalled != "halfway":
            hold.wait(60)

    index.fault = fault
    # Nothing but the interruption ends this: neither the server nor a timeout of pip's does so in time.
    locked.environ["PIP_TIMEOUT"] = "120"
    process = locked.start("wheelhouse", "main")
    if stalled == "halfway":
        scratch = locked.root / "wheelhouse" / ".lockhouse" / "tmp"
        _until(lambda: any(part.stat().st_size for part in scratch.glob("*.part")), process)
    else:
        _until(lambda: any(bool(request.filename) == (stalled == "file") for request in index.requests), process)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=30)
    hold.set()
    index.rate = None
    assert process.returncode == 130, stderr
    assert (stdout, stderr.strip()) == ("", "interrupted")
    assert housed(locked) == {}
    assert locked.tree("wheelhouse/.lockhouse/tmp") == {}
    index.fault = None
    filled(locked)
    assert set(as_files(big)) <= set(housed(locked))
