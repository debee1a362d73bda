"""Digests are right, for many files too."""

import hashlib
import os

from lockhouse import hashing
from lockhouse.digest import Digest


def test_one_reading_gives_every_digest(tmp_path):
    path = tmp_path / "file"
    content = os.urandom(3_000_000)
    path.write_bytes(content)
    assert set(hashing.digests(path, ["sha512", "sha256"])) == {
        Digest("sha256", hashlib.sha256(content).hexdigest()),
        Digest("sha512", hashlib.sha512(content).hexdigest()),
    }


def test_many_files_keep_their_order(tmp_path):
    paths = [tmp_path / str(number) for number in range(20)]
    for path in paths:
        path.write_text(path.name, encoding="utf-8")
    expected = [(Digest("sha256", hashlib.sha256(path.name.encode()).hexdigest()),) for path in paths]
    assert hashing.digests_of_all(paths) == expected
