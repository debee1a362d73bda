"""What builds an unpacked source distribution: the `[build-system]` of its `pyproject.toml` (PEP 517, PEP 518).

Refuses a table that no frontend would build from, and a backend that is said to lie outside.
"""

from dataclasses import dataclass
from pathlib import Path, PurePath, PureWindowsPath
from typing import Any

import tomli
from packaging.requirements import InvalidRequirement, Requirement

from lockhouse.errors import Location, SdistError
from lockhouse.redact import redact

HINT = "it cannot be built safely as it is: pin another release"
# Nobody writes a longer one, and it is read in one piece.
_LONGEST_READ = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSystem:
    """What `[build-system]` says: requirements as they stand there (PEP 508), the backend, and where an own one lies.

    `legacy`: no backend is named, so it is setuptools, which runs `setup.py` (PEP 517).
    """

    requires: tuple[str, ...]
    backend: str
    backend_path: tuple[str, ...]
    legacy: bool

    @classmethod
    def read(cls, folder: Path, shown: PurePath) -> "BuildSystem":
        """Read the `pyproject.toml` of an unpacked sdist; raises SdistError, which names it as a file of `shown`.

        Without one, or without the table, it is what pip and pypa/build take it for.
        """
        reader = _TableReader(Location(shown / "pyproject.toml"))
        document = reader.document(folder / "pyproject.toml")
        if document is None and not (folder / "setup.py").is_file():
            raise SdistError("has neither a pyproject.toml nor a setup.py", where=Location(shown), hint=HINT)
        table = (document or {}).get("build-system", {"requires": ["setuptools >= 40.8.0"]})
        if not isinstance(table, dict):
            raise reader.error("'build-system' should be a table")
        if unknown := sorted(table.keys() - {"requires", "build-backend", "backend-path"}):
            raise reader.error(f"'build-system' has a key that no backend knows: {unknown[0]!r}")
        if "requires" not in table:
            raise reader.error("'build-system' has no 'requires'")
        backend = table.get("build-backend", "setuptools.build_meta:__legacy__")
        if not isinstance(backend, str) or not backend:
            raise reader.error("'build-backend' should be the name of a module")
        return cls(
            requires=reader.requirements(table),
            backend=backend,
            backend_path=reader.folders(table, folder),
            legacy="build-backend" not in table,
        )


@dataclass(frozen=True, slots=True)
class _TableReader:
    """Reads one `pyproject.toml` and knows where it is, for the errors."""

    where: Location

    def error(self, reason: str) -> SdistError:
        return SdistError(reason, where=self.where, hint=HINT)

    def document(self, path: Path) -> dict[str, Any] | None:
        try:
            if path.stat().st_size > _LONGEST_READ:
                raise self.error(f"is larger than {_LONGEST_READ >> 20} MiB")
            return tomli.loads(path.read_bytes().decode("utf-8"))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self.error(f"cannot be read: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise self.error(f"is not valid TOML: {error}") from error

    def texts(self, table: dict[str, Any], key: str) -> tuple[str, ...]:
        found = table.get(key, [])
        if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
            raise self.error(f"{key!r} should be a list of strings")
        return tuple(found)

    def requirements(self, table: dict[str, Any]) -> tuple[str, ...]:
        found = self.texts(table, "requires")
        for text in found:
            try:
                Requirement(text)
            except InvalidRequirement as error:
                # packaging draws a picture below the first line.
                reason = str(error).partition("\n")[0]
                raise self.error(f"{redact(text)!r} in 'requires' is no requirement: {redact(reason)}") from error
        return found

    def folders(self, table: dict[str, Any], root: Path) -> tuple[str, ...]:
        found = self.texts(table, "backend-path")
        for text in found:
            path = PureWindowsPath(text)
            try:
                inside = (root / text).resolve(strict=True).is_relative_to(root.resolve())
                usable = inside and not path.anchor and (root / text).is_dir()
            except (OSError, ValueError, RuntimeError):
                usable = False
            if not usable:
                raise self.error(f"{text!r} in 'backend-path' is no folder of the source distribution")
        return found
