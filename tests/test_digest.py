"""Digests, errors and redaction: the small values that everything else carries."""

import doctest
from pathlib import PurePosixPath

import pytest

from lockhouse import digest, errors, progress, redact, report
from lockhouse.digest import Digest
from lockhouse.errors import Location, LockhouseError


@pytest.mark.parametrize("module", [digest, errors, progress, redact, report])
def test_the_examples_in_the_docstrings_hold(module):
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed


def test_a_digest_is_read_and_written_alike():
    text = f"sha256:{'0f' * 32}"
    assert str(Digest.parse(text.upper())) == text
    assert Digest.parse(text).strong


@pytest.mark.parametrize("text", ["", "sha256", "sha256:", ":00", "sha256:xyz", "sha256:00", "sha512:" + "0" * 64])
def test_what_is_no_digest_is_refused(text):
    with pytest.raises(ValueError, match="digest"):
        Digest.parse(text)


def test_an_error_tells_where_before_what():
    where = Location(PurePosixPath("requirements/dev.txt"), 4)
    assert str(LockhouseError("odd", where=where)) == "requirements/dev.txt:4: odd"
    assert str(LockhouseError("odd")) == "odd"
