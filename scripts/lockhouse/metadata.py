"""A wheel's METADATA: what the project says about itself and what it requires (core metadata specification, PEP 566).

Lines that cannot be read are named in `faults`; nothing is guessed. Requirements are read only when somebody asks
for them, since most of them hang on extras that nobody wants.
"""

import functools
import re
from collections.abc import Iterator, Set
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser

from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

# A marker that is a mere conjunction and holds this is false unless the extra is wanted.
_EXTRA = re.compile(r"""\bextra\s*==\s*(?:'([^']*)'|"([^"]*)")""")


_LONGEST_LICENCE = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """The headers of a METADATA file that decide what may be installed together; `requires` are its Requires-Dist.

    `licences` are what it declares: the expression (PEP 639), else what License says in one line, else the classifiers.
    """

    name: str
    version: str
    requires_python: SpecifierSet
    requires: tuple[str, ...]
    faults: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Metadata":
        r"""Read the headers; what stands below them (the description) is not looked at.

        >>> Metadata.parse("Name: a\nVersion: 1\nRequires-Dist: b>=2\n\nRequires-Dist: no header").requires
        ('b>=2',)
        """
        fields = HeaderParser().parsestr(headers_of(text))
        faults = []
        try:
            requires_python = SpecifierSet(fields.get("Requires-Python", ""))
        except InvalidSpecifier:
            faults.append(f"Requires-Python is not a version specifier: {fields['Requires-Python']!r}")
            requires_python = SpecifierSet()
        return cls(
            name=fields.get("Name", ""),
            version=fields.get("Version", ""),
            requires_python=requires_python,
            requires=tuple(" ".join(line.split()) for line in fields.get_all("Requires-Dist", [])),
            faults=tuple(faults),
            licences=tuple(_licences(fields)),
        )

    def requirements(self, extras: Set[NormalizedName]) -> Iterator[Requirement]:
        """Yield the requirements that may matter with these extras, their markers not evaluated.

        Raises InvalidRequirement for one of them that cannot be read.
        """
        for text in self.requires:
            extra = _extra_of(text)
            if extra is None or extra in extras:
                yield _requirement(text)


def _licences(fields: Message) -> list[str]:
    for field in ("License-Expression", "License"):
        said = str(fields.get(field, "")).strip()
        # Some put the whole text there.
        if said and said.upper() != "UNKNOWN" and "\n" not in said and len(said) <= _LONGEST_LICENCE:
            return [said]
    classifiers = (str(line).split(" :: ") for line in fields.get_all("Classifier", []))
    return [parts[-1].strip() for parts in classifiers if parts[0] == "License" and len(parts) > 2]


def headers_of(text: str) -> str:
    """Return what stands before the first empty line."""
    head, _, _ = text.replace("\r\n", "\n").partition("\n\n")
    return f"{head}\n"


@functools.cache
def _extra_of(text: str) -> NormalizedName | None:
    """Return the extra without which a requirement means nothing, as far as a look tells."""
    _, _, marker = text.partition(";")
    found = _EXTRA.search(marker)
    # "or", in whatever form, may make it true all the same; then the marker itself has to tell.
    if found is None or re.search(r"\bor\b", marker):
        return None
    return canonicalize_name(found[1] or found[2] or "")


@functools.cache
def _requirement(text: str) -> Requirement:
    return Requirement(text)
