"""The step `key`: a name for the contents that a wheelhouse must have, under which CI can cache it."""

import hashlib
from collections.abc import Iterable

from lockhouse.plan import Need
from lockhouse.target import Target

# Raised when the same locks come to mean another directory.
FORMAT = 1


def cache_key(needs: Iterable[Need], target: Target) -> str:
    """Return `lockhouse-1-cp311-linux_x86_64-<16 hex>`, made from pins, hashes, record and target alone.

    It changes with anything that changes which wheels are needed, for builds too, and with nothing else: not with comments,
    sources or pins that do not apply to the target. What stands before its last dash is the same for all wheelhouses that
    may have wheels in common; CI can restore the newest of them. There are no dots in it: Azure Pipelines would take it for a file.
    """
    digest = hashlib.sha256()
    for need in needs:
        hashes = " ".join(sorted(map(str, need.hashes | need.built)))
        digest.update(f"{need.name} {need.version} {need.url} {hashes}\n".encode())
    digest.update(" ".join(map(str, target.tags)).encode())
    return f"lockhouse-{FORMAT}-{target.name}-{digest.hexdigest()[:16]}"
