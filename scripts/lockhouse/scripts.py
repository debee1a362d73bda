"""What wheels bring as scripts, made the same whichever installer wrote them: executable, and naming the environment.

pip writes a first line that no kernel understands where the environment's path has a space in it or is long.
"""

import base64
import csv
import hashlib
import io
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from lockhouse import files
from lockhouse.environment import Wanted
from lockhouse.layout import InPrefix, LandedFile, script_text
from lockhouse.target import interpreter_of


def mend(prefix: Path, wheels: Iterable[Wanted]) -> None:
    """Give the scripts of these installed wheels the text and the permissions that they should have."""
    for wheel in wheels:
        brought = [file for file in wheel.files if file.executable and (prefix / file.path).is_file()]
        if not brought:
            continue
        changed = {}
        with zipfile.ZipFile(wheel.archive) as archive:
            for file in brought:
                if file.kind == "script" and (text := _mended(prefix, archive, file)) is not None:
                    changed[file.path] = text
                place = prefix / file.path
                mode = place.stat().st_mode & 0o777
                place.chmod(mode | (0o111 & ~files.umask()))
        if changed:
            _record(prefix, wheel, changed)


def _mended(prefix: Path, archive: zipfile.ZipFile, file: LandedFile) -> bytes | None:
    wanted = script_text(archive.read(file.member), interpreter_of(prefix))
    place = prefix / file.path
    if place.read_bytes() == wanted:
        return None
    files.write_atomically(place, wanted)
    return wanted


def _record(prefix: Path, wheel: Wanted, changed: Mapping[InPrefix, bytes]) -> None:
    """Let the environment's RECORD state the new digests, as others read it."""
    info = next(file.path.rpartition("/")[0] for file in wheel.files if file.member.endswith(".dist-info/METADATA"))
    record = prefix / info / "RECORD"
    packages = record.parent.parent
    resolved = {(prefix / path).resolve(): text for path, text in changed.items()}
    with record.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for row in rows:
        text = resolved.get((packages / row[0]).resolve()) if row else None
        if text is not None:
            digest = base64.urlsafe_b64encode(hashlib.sha256(text).digest()).rstrip(b"=").decode()
            row[1:] = [f"sha256={digest}", str(len(text))]
        writer.writerow(row)
    files.write_atomically(record, out.getvalue())
