"""A fill completes without help against an index that fails in every way at once, and is restarted under it."""

import random
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from support.index import Fault, Index, Request
from support.locks import write_layer_of
from support.project import Project
from support.wheels import build_wheel, sha256

SMALL, LARGE = 56, 4
# Bytes a second of each file, so that the restart finds transfers under way.
RATE = 3_000_000


class Deck:
    """Says yes so many times in every `size` draws, in an order of chance."""

    def __init__(self, chance: random.Random, yes: int, size: int) -> None:
        self._chance, self._whole = chance, [True] * yes + [False] * (size - yes)
        self._cards: list[bool] = []

    def draw(self) -> bool:
        if not self._cards:
            self._cards = self._chance.sample(self._whole, len(self._whole))
        return self._cards.pop()


class Trouble:
    """Commits faults and counts them: 20 % of all requests, 10 % of the files' bodies, 5 % of the signed URLs."""

    def __init__(self, index: Index, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self._index = index
        self._chance = random.Random(seed)
        self._mutex = threading.Lock()
        self._busy, self._cut, self._expired = (Deck(self._chance, *odds) for odds in ((2, 10), (1, 10), (1, 20)))
        # The restart comes when about half of the files have been asked for at the store.
        self._left = self._chance.randint(20, 40)
        self._down = self._chance.uniform(1.0, 2.0)
        self._thread: threading.Thread | None = None

    def __call__(self, request: Request) -> Fault | None:
        with self._mutex:
            self.counts["requests"] += 1
            if request.role == "blob":
                self._left -= 1
                if self._left == 0:
                    self._thread = threading.Thread(target=self._restart)
                    self._thread.start()
            kind, fault = self._fault(request)
            self.counts[kind] += 1
            return fault

    def _fault(self, request: Request) -> tuple[str, Fault | None]:
        if self._busy.draw():
            return "busy", Fault(status=503)
        if request.role == "blob" and float(request.query["exp"]) > time.time() and self._cut.draw():
            return "cut", Fault(cut=self._chance.randint(0, 1500), reset=self._chance.random() < 0.5)
        if request.role == "index" and request.filename and self._expired.draw():
            late = self._index.signed_url(request.filename, lifetime=-1)
            return "expired", Fault(status=302, headers={"Location": late})
        return "sound", None

    def _restart(self) -> None:
        self._index.restart(down=self._down)
        with self._mutex:
            self.counts["restarts"] += 1

    def over(self) -> None:
        """Wait for a restart that is still going on."""
        if self._thread:
            self._thread.join()


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("index")
    small = [build_wheel(folder, f"p{number}", "1.0", size=2_000 + 50 * number) for number in range(SMALL)]
    return [*small, *(build_wheel(folder, f"big{number}", "1.0", size=1_500_000) for number in range(LARGE))]


@pytest.mark.parametrize(
    "seed", [seed if seed < 1 else pytest.param(seed, marks=pytest.mark.slow) for seed in range(20)]
)
def test_a_fill_completes_through_every_kind_of_trouble(
    tmp_path: Path, environ: dict[str, str], wheels: list[Path], seed: int
):
    with Index(wheels[0].parent, auth=("me", "secret"), redirect=True) as index:
        index.rate = RATE
        index.fault = trouble = Trouble(index, seed)
        project = Project(tmp_path / "project", {**environ, "PIP_INDEX_URL": index.url_with_password})
        write_layer_of(project, *wheels)
        result = project.run("wheelhouse")
        trouble.over()
        print(result.stdout, dict(trouble.counts))  # noqa: T201 - `pytest -rP` shows it
        assert result.status == 0, result
        counts, log = trouble.counts, index.requests
        statuses = Counter(request.status for request in log)
        assert counts["busy"] >= counts["requests"] // 10 * 2
        assert counts["cut"] >= 5
        assert counts["expired"] >= 3
        assert counts["restarts"] == 1
        # The restart may have broken the one or the other before it was answered.
        assert statuses[503] >= counts["requests"] // 10
        assert statuses[403] >= 1
        assert statuses[206] >= 1
        assert {request.method for request in log} == {"GET"}
        assert not index.leaks
        assert not [secret for secret in ("secret", *index.signatures) if secret in result.stdout + result.stderr]
    house = project.root / "wheelhouse"
    assert {path.name: sha256(path) for path in house.glob("*.whl")} == {path.name: sha256(path) for path in wheels}
    assert project.tree("wheelhouse/.lockhouse/tmp") == {}
