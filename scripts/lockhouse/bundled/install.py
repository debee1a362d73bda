"""Install the bundle that this file lies in, on a machine without a network: python3 install.py [--env DIR].

It needs this Python's standard library and nothing else. In this order, and nothing is changed before step 4:

1. every file of the bundle is hashed and compared with SHA256SUMS, both ways;
2. every wheel is compared with the locks, and one that was built from source with the record of builds;
3. this Python and this machine are compared with those that the bundle was made for;
4. the environment is made (without pip), and pip, run from its own wheel, installs the wheels by their hashes: no index,
   no configuration. An environment that is whole already stays as it is; one that is not is made anew.

It finds damage. It cannot find malice: whoever can change the bundle can change this file too. Against that, compare the
archive's sha256, had from elsewhere, before you unpack it. Exit status: 0 done, 1 refused or failed, 2 wrong usage.
"""

import os
import sys

if __name__ == "__main__":
    # What lies beside this file is not checked yet, and must not be imported in place of what is meant.
    beside = os.path.dirname(os.path.realpath(__file__))  # noqa: PTH120 - pathlib is one of the imports below
    sys.path = [path for path in sys.path if os.path.realpath(path) != beside]

import argparse
import base64
import csv
import hashlib
import html
import json
import platform
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Sequence

FORMAT = 1
SUMS, MANIFEST = "SHA256SUMS", "manifest.json"
# Lies in an environment from its first moment on, and says what was installed only when all of it was.
MARKER = ".lockhouse-bundle"

# Asked of a fresh Python, with the packaging library that pip's wheel brings along.
QUESTION = """
import json, sys
sys.path.insert(0, sys.argv[1])
from pip._vendor.packaging.markers import Marker
from pip._vendor.packaging.tags import sys_tags
from pip._vendor.packaging.utils import parse_wheel_filename
told = json.load(sys.stdin)
ours = set(sys_tags())
unfit = [wheel for wheel in told["wheels"] if ours.isdisjoint(parse_wheel_filename(wheel)[3])]
other = [text for text, extra, held in told["markers"] if Marker(text).evaluate({"extra": extra}) != held]
print(json.dumps([unfit, other]))
"""


class RefusedError(Exception):
    """Why nothing is installed: a line, one more for each fault, and the exit status."""

    def __init__(self, reason: str, faults: Sequence[str] = (), status: int = 1) -> None:
        super().__init__("\n".join([reason, *("  " + fault for fault in faults)]))
        self.status = status


def main(arguments: Sequence[str]) -> int:
    """Do as the command line says, and return the exit status."""
    parser = argparse.ArgumentParser(
        description="Check this bundle and install it into an environment of its own, without a network.",
        epilog="This finds damage, not malice: compare the archive's sha256, had from elsewhere, before you unpack it.",
    )
    parser.add_argument("--env", default=".venv", metavar="DIR", help="the environment to make (default: .venv, here)")
    wanted = parser.parse_args(arguments).env
    # Not resolved: a link in place of the environment is refused, not followed.
    env = Path(os.path.abspath(wanted))  # noqa: PTH100
    try:
        install(Path(__file__).resolve().parent, env)
    except RefusedError as refusal:
        print("error: " + str(refusal), file=sys.stderr)
        return refusal.status
    except OSError as error:
        print("error: " + printable(str(error)), file=sys.stderr)
        return 1
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        print(f"error: {MANIFEST} is not one that this installer can read: {printable(repr(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; run it again", file=sys.stderr)
        return 130
    return 0


def install(here: Path, env: Path) -> None:
    """Install the bundle in the folder `here` into the environment; raises RefusedError and OSError."""
    place = printable(str(env))
    if env.resolve() in [here, *here.parents]:
        raise RefusedError(f"the bundle lies in {place}, so this cannot be the environment: use --env", status=2)
    digests = checked_files(here, env)
    manifest = read_manifest(here / MANIFEST)
    pins, tool = manifest["pins"], manifest["pip"]
    for pin in [*pins, tool]:
        if pin["wheel"] not in digests:
            raise RefusedError(f"{MANIFEST} names {printable(pin['wheel'])}, which is not of this bundle")
    faults = lock_faults([*pins, tool], lock_texts(here, digests), lambda path, name: digest(here / path, name))
    if faults:
        raise RefusedError("what is in the bundle is not what its locks say:", list(map(printable, faults)))
    refuse_other_python(manifest["python"])
    refuse_other_machine(here / tool["wheel"], manifest)
    print(f"checked {len(digests)} files: they agree with {SUMS}, the locks and this Python")
    bundle = digest(here / SUMS, "sha256")
    reason = why_anew(env, bundle)
    if reason is None:
        print(f"{place}: nothing to do, all {len(pins)} packages are as they were installed")
        return
    print(f"making {place}" + (f" anew: {printable(reason)}" if reason else ""), flush=True)
    make(env)
    run_pip(here, here / tool["wheel"], python_of(env), pins)
    finish(env, bundle, len(pins))
    print(f"{place}: installed {len(pins)} packages, without a network")


# 1. The files


def checked_files(here: Path, env: Path) -> Dict[str, str]:
    """Return the sha256 of every file of the bundle by its path; raises RefusedError where SHA256SUMS says otherwise.

    The environment may lie inside the bundle's folder, and is no part of it.
    """
    listed: Dict[str, str] = {}
    for line in (here / SUMS).read_text("utf-8", "surrogateescape").splitlines():
        found = re.match(r"([0-9a-f]{64})  ([^\x00-\x1f\\]+)$", line)
        if not found or found.group(2) in listed:
            raise RefusedError(f"{SUMS} has a line that is damaged: {printable(line)}")
        listed[found.group(2)] = found.group(1)
    faults, actual = [], {}
    for path in sorted(paths_in(here, env)):
        file = here / path
        if path not in listed:
            faults.append(printable(path) + ": added, it is not of this bundle")
        elif file.is_symlink() or not file.is_file():
            faults.append(printable(path) + ": not a regular file")
        else:
            actual[path] = digest(file, "sha256")
            if actual[path] != listed[path]:
                faults.append(printable(path) + ": changed, these are not the bytes that were bundled")
    there = {path for path in listed if os.path.lexists(str(here / path))}
    faults += [printable(path) + ": missing" for path in sorted(set(listed) - there)]
    if faults:
        raise RefusedError(f"the bundle is not as it was made; compared with {SUMS}:", faults)
    return actual


def paths_in(here: Path, env: Path) -> Iterator[str]:
    """Yield the path of everything below the folder that is not a folder, but for SHA256SUMS and the environment."""
    for folder, folders, files in os.walk(str(here)):
        inside = Path(folder)
        links = [name for name in folders if (inside / name).is_symlink()]
        folders[:] = [name for name in folders if inside / name != env and name not in links]
        for name in files + links:
            path = (inside / name).relative_to(here).as_posix()
            if path != SUMS:
                yield path


def digest(file: Path, algorithm: str) -> str:
    """Return the digest of a file, in hexadecimal."""
    hasher = hashlib.new(algorithm)
    with file.open("rb") as opened:
        for block in iter(lambda: opened.read(1 << 20), b""):
            hasher.update(block)
    return hasher.hexdigest()


# 2. The locks


def read_manifest(file: Path) -> Dict[str, Any]:
    """Read the manifest; raises RefusedError where it is not one that this installer knows."""
    try:
        manifest: Dict[str, Any] = json.loads(file.read_text("utf-8"))
        written = manifest["format"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise RefusedError(f"{MANIFEST} cannot be read") from None
    if written != FORMAT:
        raise RefusedError(f"{MANIFEST} is of format {written}, and this installer knows format {FORMAT}")
    return manifest


def lock_texts(here: Path, paths: Mapping[str, str]) -> Dict[str, str]:
    """Return the text of every lock, and of the record of builds, by its path."""
    return {path: (here / path).read_text("utf-8-sig", "replace") for path in paths if path.startswith("locks/")}


def lock_faults(
    pins: Sequence[Mapping[str, Any]], texts: Mapping[str, str], digest_of: Callable[[str, str], str]
) -> List[str]:
    """Return where a wheel is not the one that its locks, or the record of builds, vouch for.

    `locked` is the hash that stands in every one of a pin's `locks`: that of the wheel, or of the `sdist` that it was
    built from, and then a line of the `record` leads on to the wheel. `digest_of` hashes a path with an algorithm.
    """
    faults = []
    entries = {path: entries_of(text) for path, text in texts.items()}
    for pin in pins:
        wheel, locked = pin["wheel"].rpartition("/")[2], pin["locked"]
        lacking = [
            path
            for path in pin["locks"]
            if f"--hash={locked}" not in entries.get(path, {}).get(normal(pin["name"]), [])
        ]
        faults += [f"{path}: does not lock {pin['name']} to {locked}" for path in lacking]
        if not pin["locks"]:
            faults.append(f"{pin['wheel']}: no lock asks for it")
        if pin["sdist"]:
            line = f"{wheel} sha256:{pin['sha256']} from {pin['sdist']} {locked} with "
            if not any(each.startswith(line) for each in texts.get(pin["record"], "").splitlines()):
                faults.append(f"{pin['wheel']}: was built, and {pin['record']} does not vouch for these bytes")
        elif digest_of(pin["wheel"], locked.partition(":")[0]) != locked.partition(":")[2]:
            faults.append(f"{pin['wheel']}: these are not the locked bytes")
        if digest_of(pin["wheel"], "sha256") != pin["sha256"]:
            faults.append(f"{pin['wheel']}: these are not the bytes that {MANIFEST} names")
    return faults


def entries_of(lock: str) -> Dict[str, List[str]]:
    """Return the words of a lock's entries (a requirement and its options) by the project's normalised name."""
    entries: Dict[str, List[str]] = {}
    for line in re.sub(r"\\\r?\n", " ", lock).splitlines():
        found = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", line)
        if found:
            entries.setdefault(normal(found.group(1)), []).extend(re.sub(r"(^|\s)#.*", "", line).lower().split())
    return entries


def normal(name: str) -> str:
    """Return a project's name as it is compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


# 3. The machine


def refuse_other_python(expected: Mapping[str, str]) -> None:
    """Raise RefusedError where the running Python is not of the kind that the wheels were chosen for."""
    actual = {
        "implementation": sys.implementation.name,
        "machine": platform.machine(),
        "platform": sys.platform,
        "series": f"{sys.version_info[0]}.{sys.version_info[1]}",
    }
    if actual != expected:
        form = "{implementation} {series} on {platform} {machine}"
        facts = [
            "expected: " + form.format(**expected),
            "actual:   " + form.format(**actual) + f" ({printable(sys.executable)})",
            f"hint: start install.py with python{expected['series']}, or bundle again on a machine like this one",
        ]
        raise RefusedError("this is another Python than the one that the bundle was made for:", facts)


def refuse_other_machine(pip: Path, manifest: Mapping[str, Any]) -> None:
    """Raise RefusedError where a wheel does not fit this machine, or a marker that chose the pins holds differently here."""
    wheels = sorted({pin["wheel"].rpartition("/")[2] for pin in [*manifest["pins"], manifest["pip"]]})
    told = json.dumps({"wheels": wheels, "markers": manifest["markers"]})
    said = run([sys.executable, "-I", "-c", QUESTION, str(pip)], "cannot ask this Python what fits it", told)
    unfit, other = json.loads(said)
    faults = [f"{printable(wheel)}: does not fit this machine" for wheel in unfit]
    faults += [f"{printable(text)}: holds on one of the two machines only" for text in sorted(set(other))]
    if faults:
        raise RefusedError("this machine is not like the one that the bundle was made for:", faults)


# 4. The environment


def why_anew(env: Path, bundle: str) -> "str | None":
    """Return why the environment has to be made anew, "" where there is none yet, and None where it is whole.

    Raises RefusedError where there is something that this installer has not made.
    """
    place = printable(str(env))
    if not os.path.lexists(str(env)):
        return ""
    if env.is_symlink() or not env.is_dir():
        raise RefusedError(f"{place} is not a folder, and stays as it is: use --env", status=2)
    if not any(env.iterdir()):
        return ""
    marker = env / MARKER
    if marker.is_symlink() or not marker.is_file():
        raise RefusedError(f"{place} was not made by this installer, and stays as it is: use --env", status=2)
    try:
        made = json.loads(marker.read_text("utf-8"))
        source, records = made["bundle"], dict(made["records"])
    except (ValueError, KeyError, TypeError):
        return "its installation was never finished"
    if source != bundle:
        return "it was made from another bundle"
    for path, known in sorted(records.items()):
        if not intact(env / path, known):
            return f"{path.rpartition('/')[0]} is not as it was installed"
    try:
        run([str(python_of(env)), "-I", "-c", ""], "its Python does not run")
    except (RefusedError, OSError):
        return "its Python does not run"
    return None


def intact(record: Path, known: str) -> bool:
    """Return whether a RECORD is the one that was installed, and every file that it lists has the bytes it states."""
    try:
        if digest(record, "sha256") != known:
            return False
        with record.open(encoding="utf-8", newline="") as file:
            for name, stated, _ in csv.reader(file):
                if stated.startswith("sha256="):
                    actual = bytes.fromhex(digest(record.parent.parent / name, "sha256"))
                    if "sha256=" + base64.urlsafe_b64encode(actual).decode().rstrip("=") != stated:
                        return False
    except (OSError, ValueError, csv.Error):
        return False
    return True


def make(env: Path) -> None:
    """Make an empty environment; whatever happens, the marker stands in it before anything else does, and after."""
    env.mkdir(parents=True, exist_ok=True)
    (env / MARKER).write_text("unfinished\n", encoding="utf-8")
    for entry in list(env.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(str(entry))
        elif entry.name != MARKER:
            entry.unlink()
    run([sys.executable, "-I", "-m", "venv", "--without-pip", str(env)], "cannot make the environment")


def run_pip(here: Path, pip: Path, python: Path, pins: Sequence[Mapping[str, Any]]) -> None:
    """Let pip install exactly the pins: it sees one hashed link and one hashed requirement each, and nothing else."""
    links = [
        f'<a href="{html.escape((here / pin["wheel"]).as_uri())}#sha256={pin["sha256"]}">'
        f"{html.escape(pin['wheel'].rpartition('/')[2])}</a><br>"
        for pin in pins
    ]
    lines = [f"{pin['name']}=={pin['version']} --hash=sha256:{pin['sha256']}\n" for pin in pins]
    with tempfile.TemporaryDirectory(prefix="lockhouse-") as scratch:
        page, wanted = Path(scratch, "links.html"), Path(scratch, "requirements.txt")
        page.write_text("\n".join(["<!DOCTYPE html>", "<html><body>", *links, "</body></html>", ""]), encoding="utf-8")
        wanted.write_text("".join(lines), encoding="utf-8")
        options = [
            "--no-index",
            "--find-links",
            page.as_uri(),
            "--require-hashes",
            "--only-binary",
            ":all:",
            "--no-deps",
        ]
        options += ["--no-input", "--no-cache-dir", "--disable-pip-version-check", "--root-user-action", "ignore"]
        options += ["--no-warn-script-location", "--force-reinstall", "--requirement", str(wanted)]
        run([str(python), "-I", str(pip / "pip"), "install", *options], "pip refused to install")


def finish(env: Path, bundle: str, count: int) -> None:
    """Write into the marker what was installed, for the next run to compare; raises RefusedError where something is missing."""
    found = [
        *env.glob("lib/python3*/site-packages/*.dist-info/RECORD"),
        *env.glob("Lib/site-packages/*.dist-info/RECORD"),
    ]
    records = {path.relative_to(env).as_posix(): digest(path, "sha256") for path in found}
    if len(records) != count:
        raise RefusedError(f"pip installed {len(records)} packages of {count}")
    beside = env / (MARKER + ".new")
    text = json.dumps({"bundle": bundle, "records": records}, indent=1, sort_keys=True)
    beside.write_text(text + "\n", encoding="utf-8")
    beside.replace(env / MARKER)


def python_of(env: Path) -> Path:
    """Return where the environment's Python is."""
    return env / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def run(command: Sequence[str], failure: str, told: str = "") -> str:
    """Run a program that sees no configuration of pip, uv or Python, and return what it says; raises RefusedError."""
    unwanted = re.compile("PIP_|UV_|PYTHON|VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not unwanted.match(name.upper())}
    with tempfile.TemporaryDirectory(prefix="lockhouse-") as empty:
        done = subprocess.run(
            command,
            cwd=empty,
            # An empty HOME: neither netrc, nor whatever the programs that pip asks for their version leave there.
            env={**kept, "HOME": empty, "PIP_CONFIG_FILE": os.devnull},
            input=told.encode(),
            capture_output=True,
            check=False,
        )
    if done.returncode:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").splitlines()
        raise RefusedError(failure + ":", [printable(line) for line in said if line.strip()][-12:])
    return done.stdout.decode("utf-8", "replace")


def printable(text: str) -> str:
    """Return the text with everything written out that a terminal might obey or cannot show."""
    return "".join(sign if " " <= sign <= "~" else sign.encode("unicode_escape").decode() for sign in text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
