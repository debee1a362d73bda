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

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name

from lockhouse.archive import quoted
from lockhouse.errors import WheelError

_LIMIT, _SPECIFIER_LIMIT = 1 << 20, 1000
_END_OF_HEADERS = re.compile(r"\A[\r\n]|\r\n[\r\n]|\n[\r\n]|\r\r")
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
        r"""Read the headers, and not the description below them. Raises WheelError where they are too long.

        >>> Metadata.parse("Name: a\nVersion: 1\nRequires-Dist: b>=2\n\nRequires-Dist: no header").requires
        ('b>=2',)
        """
        fields = HeaderParser().parsestr(headers_of(text))
        faults = []
        requires_python = SpecifierSet()
        stated = fields.get("Requires-Python", "")
        try:
            # A version of thousands of digits would be an error only where it is compared.
            requires_python = SpecifierSet(stated if len(stated) <= _SPECIFIER_LIMIT else "too long")
        except InvalidSpecifier:
            faults.append(f"Requires-Python is not a version specifier: {quoted(stated)}")
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
    """Return what stands above the first empty line; raises WheelError where that is more than 1 MiB."""
    if "\r" in text or text.startswith("\n"):
        end = _END_OF_HEADERS.search(text)
        headers = text[: end.start()] if end else text
    else:
        headers = text.partition("\n\n")[0]
    if len(headers) > _LIMIT:
        raise WheelError(f"METADATA has headers of more than {_LIMIT >> 20} MiB")
    return f"{headers}\n"


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
    if len(text) > _SPECIFIER_LIMIT and re.search(rf"\d{{{_SPECIFIER_LIMIT}}}", text):
        # As above: an error where it is compared.
        raise InvalidRequirement(f"a number of more than {_SPECIFIER_LIMIT} digits")
    return Requirement(text)
