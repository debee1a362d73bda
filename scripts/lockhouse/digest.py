"""A cryptographic digest of a file, as locks and index pages write it.

Refuses nothing but malformed text: whether an algorithm is strong enough is the caller's question, answered by `strong`.
"""

import re
from dataclasses import dataclass
from typing import Self

# The algorithms pip accepts under --require-hashes, with the length of their hexadecimal text.
_STRONG = {"sha256": 64, "sha384": 96, "sha512": 128}
_HEX = re.compile(r"[0-9a-f]+")
# Nearly every digest, written as nearly everybody writes it; a lock holds thousands.
_USUAL = re.compile(r"(sha256):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """An algorithm's name as `hashlib` spells it and the digest as lower-case hexadecimal text."""

    algorithm: str
    hex: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"

    @property
    def strong(self) -> bool:
        """Whether the algorithm is one of those pip accepts for hash-checking (sha256, sha384, sha512)."""
        return self.algorithm in _STRONG

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `sha256:<hex>`; raises ValueError where the text is no digest or its length is wrong.

        >>> Digest.parse("md5:d41d8cd98f00b204e9800998ecf8427e").strong
        False
        """
        if usual := _USUAL.fullmatch(text):
            return cls(usual[1], usual[2])
        algorithm, colon, value = text.strip().partition(":")
        algorithm, value = algorithm.lower(), value.lower()
        if not colon or not algorithm or not _HEX.fullmatch(value):
            raise ValueError(f"not a digest: {text!r} (expected ALGORITHM:HEX)")
        if _STRONG.get(algorithm, len(value)) != len(value):
            raise ValueError(f"a {algorithm} digest has {_STRONG[algorithm]} hexadecimal digits, not {len(value)}")
        return cls(algorithm, value)
