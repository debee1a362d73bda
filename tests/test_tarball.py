"""Archives: written whole or not at all, the same bytes for the same members, readable by every tar."""

import hashlib
import subprocess
import tarfile
from pathlib import Path, PurePosixPath

import pytest

from lockhouse import tarball
from lockhouse.digest import Digest
from lockhouse.errors import LockhouseError
from lockhouse.tarball import Member
from support.wheels import sha256


def test_the_order_and_the_place_of_members_do_not_count(tmp_path: Path):
    one, other = Member.of(PurePosixPath("b"), "one"), Member.of(PurePosixPath("a", "b"), b"other")
    said, size = tarball.write(tmp_path / "x.tar", [one, other])
    assert said == tarball.write(tmp_path / "y.tar", [other, one])[0]
    assert said.hex == sha256(tmp_path / "x.tar") == sha256(tmp_path / "y.tar")
    assert size == (tmp_path / "x.tar").stat().st_size
    with tarfile.open(tmp_path / "x.tar") as tar:
        assert tar.getnames() == ["a/b", "b"]


@pytest.mark.parametrize("content", [b"other", b"longer than it was", b"gone"])
def test_a_file_that_changes_while_it_is_read_leaves_the_old_archive(tmp_path: Path, content: bytes):
    file, tar = tmp_path / "file", tmp_path / "x.tar"
    file.write_bytes(content)
    tar.write_bytes(b"old")
    digest = Digest("sha256", hashlib.sha256(b"bytes").hexdigest())
    with pytest.raises(LockhouseError, match="file changed while it was read"):
        tarball.write(tar, [Member(path=PurePosixPath("file"), size=5, sha256=digest, content=file)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "x.tar"]
    assert tar.read_bytes() == b"old"


def test_names_of_any_length_are_written_for_every_tar(tmp_path: Path):
    name = PurePosixPath("folder", "long" * 50 + ".whl")
    tarball.write(tmp_path / "x.tar", [Member.of(name, "text")])
    assert (
        subprocess.run(["tar", "-tf", tmp_path / "x.tar"], capture_output=True, text=True, check=True).stdout
        == f"{name}\n"
    )
    with tarfile.open(tmp_path / "x.tar") as tar:
        assert tar.getnames() == [str(name)]
