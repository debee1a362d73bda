"""pip's session, prepared: no prompts, no cache of files, no retries behind our back, a pool as large as the threads."""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pip
from pip._internal.cli import cmdoptions
from pip._internal.cli.index_command import IndexGroupCommand
from pip._internal.index.collector import LinkCollector
from pip._internal.models.search_scope import SearchScope
from pip._internal.network import session as network
from pip._internal.network.auth import MultiDomainBasicAuth
from pip._internal.network.session import PipSession
from pip._vendor.requests.adapters import HTTPAdapter
from pip._vendor.urllib3 import Retry

from lockhouse import __version__


class _Command(IndexGroupCommand):  # type: ignore[misc]  # pip has no types for us
    """As much of a pip command as it takes to read the options that concern indexes and connections."""

    def add_options(self) -> None:
        group = cmdoptions.make_option_group(cmdoptions.index_group, self.parser)
        self.parser.insert_option_group(0, group)


@dataclass(frozen=True, slots=True)
class Opened:
    """A session of pip, where its configuration looks for projects, and which keyring it asks."""

    session: PipSession
    search_scope: SearchScope
    keyring_provider: str


def opened() -> Opened:
    """Return pip's session as its configuration in this process's environment makes it, without a cache."""
    with silenced_logging(), named():
        command = _Command("download", "")
        options, _ = command.parse_args(["--no-cache-dir"])
        made = command._build_session(options)  # noqa: SLF001 - this package is the one that looks inside
        collector = LinkCollector.create(made, options=options)
    return Opened(made, collector.search_scope, options.keyring_provider)


def prepare(session: PipSession, keyring_provider: str, index_urls: Sequence[str], connections: int) -> None:
    """Take from the session what asks questions or tries again by itself, and give it enough connections."""
    session.auth = Credentials(prompting=False, index_urls=list(index_urls), keyring_provider=keyring_provider)
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
def named() -> Iterator[None]:
    """Let sessions that pip makes meanwhile say who asks, and nothing about the machine.

    pip would look for distribution, libc, rustc and setuptools first, which takes longer than a page, to tell the index.
    """
    before = network.user_agent
    network.user_agent = lambda: f"pip/{pip.__version__} lockhouse/{__version__}"
    try:
        yield
    finally:
        network.user_agent = before


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
