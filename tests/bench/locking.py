"""The rows about locking: `lockhouse lock` and plain pip-compile on an index with wheels for many platforms."""

from pathlib import Path

from bench.bench import LOCKHOUSE, PYTHON, Bench, command, emptied
from bench.measure import Row, Run, alternating
from support.wheels import build_wheel

# As many files a pin as a project with compiled code has, and a size that keeps the whole at what six such pins weigh.
PINS, FILES, SIZE = 6, 60, 2_000_000
OPTIONS = ("--quiet", "--allow-unsafe", "--generate-hashes", "--no-emit-index-url", "--no-strip-extras", "--rebuild")


def many_platforms(folder: Path) -> Path:
    """Fill a folder with made wheels: a few projects, each for many Pythons and platforms."""
    platforms = [f"manylinux_2_{level}_{machine}" for level in (17, 28) for machine in ("x86_64", "aarch64", "i686")]
    platforms += ["macosx_11_0_arm64", "macosx_10_13_x86_64", "win_amd64", "win32"]
    tags = [f"cp3{minor}-cp3{minor}-{platform}" for minor in range(9, 15) for platform in platforms]
    for number in range(PINS):
        for tag in tags[:FILES]:
            build_wheel(folder, f"compiled{number}", "1.0", tag=tag, size=SIZE)
    return folder


def measured(bench: Bench, rounds: int) -> dict[str, Run]:
    """Measure time and bytes of a first lock by both; the two locks must be the same."""
    source = "".join(f"compiled{number}\n" for number in range(PINS))
    ours, theirs = bench.project(source=source), bench.project(source=source)
    home = bench.folder()
    name = Path("requirements/main.txt")
    compiled: list[str | Path] = [
        Path(PYTHON).with_name("pip-compile"),
        *OPTIONS,
        f"--output-file={name}",
        "requirements/main.in",
    ]

    def fresh(project: Path) -> None:
        emptied(home)
        (project / name).unlink(missing_ok=True)

    with bench.serving(many_platforms(bench.folder())) as address:
        environ = bench.environ(address, home)
        rows = [
            Row("lockhouse lock", lambda: fresh(ours), lambda: command([*LOCKHOUSE, "lock"], ours, environ, address)),
            Row("pip-compile", lambda: fresh(theirs), lambda: command(compiled, theirs, environ, address)),
        ]
        results = alternating(rows, rounds)
    if _pins(ours / name) != _pins(theirs / name):
        raise RuntimeError("the two locks differ")
    return results


def _pins(lock: Path) -> list[str]:
    return [line for line in lock.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
