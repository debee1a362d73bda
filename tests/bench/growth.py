"""How cost grows with the number of pins: 10, 100 and 1,000 tiny wheels."""

import shutil

from bench.bench import LOCKHOUSE, Bench, command
from bench.checking import knows_deep
from bench.measure import Row, Run, alternating
from support.wheels import build_wheel, sha256

SIZES = (10, 100, 1000)


def measured(bench: Bench, rounds: int) -> dict[str, Run]:
    """Measure a cold fetch, a fetch with nothing to do, and each kind of check for each number of pins."""
    results: dict[str, Run] = {}
    options = ["", " --locks-only", *([" --deep"] if knows_deep(bench) else [])]
    folder = bench.folder()
    hashes = [sha256(build_wheel(folder, f"tiny{number}", "1.0")) for number in range(max(SIZES))]
    with bench.serving(folder) as address:
        environ = bench.environ(address, bench.folder())
        for size in SIZES:
            pins = enumerate(hashes[:size])
            project = bench.project(lock="".join(f"tiny{n}==1.0 --hash=sha256:{digest}\n" for n, digest in pins))
            house = project / "wheelhouse"
            results |= alternating(
                [
                    Row(
                        f"{size} pins, cold",
                        lambda house=house: shutil.rmtree(house, ignore_errors=True),  # type: ignore[misc]
                        lambda project=project: command([*LOCKHOUSE, "wheelhouse"], project, environ),  # type: ignore[misc]
                    ),
                    Row(
                        f"{size} pins, nothing to do",
                        lambda: None,
                        lambda project=project: command([*LOCKHOUSE, "wheelhouse"], project, environ),  # type: ignore[misc]
                    ),
                    *(
                        Row(
                            f"{size} pins, check{option}",
                            lambda: None,
                            lambda project=project, option=option: command(  # type: ignore[misc]
                                [*LOCKHOUSE, "check", *option.split()], project, environ
                            ),
                        )
                        for option in options
                    ),
                ],
                rounds,
            )
    return results
