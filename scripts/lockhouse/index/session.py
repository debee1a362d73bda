"""pip's session, prepared: no prompts, no cache of files, no retries behind our back, a pool as large as the threads."""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from pip._internal.network.auth import MultiDomainBasicAuth
from pip._vendor.requests.adapters import HTTPAdapter
from pip._vendor.urllib3 import Retry
from piptools.repositories import PyPIRepository


def repository(scratch: Path) -> PyPIRepository:
    """Return pip-tools' repository, as pip's own configuration in this process's environment makes it, without a cache."""
    with silenced_logging():
        return PyPIRepository(["--no-cache-dir"], cache_dir=str(scratch))


def prepare(prepared: PyPIRepository, index_urls: Sequence[str], connections: int) -> None:
    """Take from the session what asks questions or tries again by itself, and give it enough connections."""
    session = prepared.session
    session.auth = Credentials(
        prompting=False, index_urls=list(index_urls), keyring_provider=prepared.options.keyring_provider
    )
    for adapter in session.adapters.values():
        if isinstance(adapter, HTTPAdapter):
            adapter.max_retries = Retry(0, read=False)
            adapter.init_poolmanager(connections, connections)


class Credentials(MultiDomainBasicAuth):  # type: ignore[misc]  # pip has no types for us
    """pip's credentials without a prompt: URL, netrc and keyring count as they do for pip at a terminal."""

    @property
    def use_keyring(self) -> bool:
        """Whether keyring is asked: unless it is disabled, as for pip at a terminal."""
        return bool(self._keyring_provider != "disabled")

    def _prompt_for_password(self, netloc: str) -> tuple[str | None, str | None, bool]:  # noqa: ARG002 - pip's signature
        return None, None, False


@contextlib.contextmanager
def silenced_logging() -> Iterator[None]:
    """Undo what pip-tools does to logging: it sets it up for a program of its own.

    What pip has to say reaches users through our errors, and its log lines show signed URLs whole.
    """
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        pip = logging.getLogger("pip")
        pip.handlers[:] = [logging.NullHandler()]
        pip.propagate = False
