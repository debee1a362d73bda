"""Reads files as they are in the working tree, or as git keeps them in a revision.

git is asked for names and bytes only: it runs no filter, no text conversion and no hook, and fetches nothing. Refuses a
word that is no revision, and takes a file for absent only where git says so.
"""

import errno
import os
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import Protocol

from lockhouse import process
from lockhouse.errors import LockhouseError, ProcessError, UsageError
from lockhouse.redact import redact

_LINKS = 8
_LINK, _SUBMODULE = "120000", "160000"


class Tree(Protocol):
    """Files below a project's root at one time; paths are relative to that root."""

    @property
    def label(self) -> str:
        """What users call it."""

    @property
    def prefix(self) -> str:
        """What goes before the path of one of its files."""

    def exists(self, path: PurePath) -> bool:
        """Say whether there is such a file."""

    def read_bytes(self, path: PurePath) -> bytes:
        """Return a file's content. Raises OSError where there is none, LockhouseError where it cannot be had."""

    def names(self, folder: PurePosixPath) -> frozenset[str]:
        """Return the names in a folder, which need not exist."""


@dataclass(frozen=True, slots=True)
class WorkingTree:
    """The files as they are on disk."""

    root: Path
    label: str = "the working tree"
    prefix: str = ""

    def exists(self, path: PurePath) -> bool:
        """Say whether there is such a file."""
        return (self.root / path).is_file()

    def read_bytes(self, path: PurePath) -> bytes:
        """Return a file's content; raises OSError."""
        return (self.root / path).read_bytes()

    def names(self, folder: PurePosixPath) -> frozenset[str]:
        """Return the names in a folder, which need not exist."""
        there = self.root / folder
        return frozenset(os.listdir(there)) if there.is_dir() else frozenset()  # noqa: PTH208 - names, not paths


@dataclass(frozen=True, slots=True)
class Revision:
    """The files of a commit; `label` is the word that the user named it by."""

    repository: "Repository" = field(repr=False)
    label: str
    commit: str

    @property
    def prefix(self) -> str:
        """What git writes before a path of a revision."""
        return f"{self.label}:"

    def exists(self, path: PurePath) -> bool:
        """Say whether there is such a file in this commit."""
        return self._entry(path) is not None

    def read_bytes(self, path: PurePath) -> bytes:
        """Return a file's content, symbolic links followed; raises FileNotFoundError where this commit has none."""
        for _ in range(_LINKS):
            mode, found = self._entry(path) or (_SUBMODULE, "")
            if mode == _SUBMODULE:
                raise FileNotFoundError(errno.ENOENT, f"there is no such file in {self.label}")
            content = self.repository.git("cat-file", "blob", found)
            if mode != _LINK:
                return content
            path = PurePosixPath(posixpath.normpath(PurePosixPath(_posix(path)).parent / os.fsdecode(content)))
        raise OSError(errno.ELOOP, "these symbolic links go on and on")

    def names(self, folder: PurePosixPath) -> frozenset[str]:
        """Return the names in a folder, which need not exist."""
        said = self.repository.git("ls-tree", "-z", "--name-only", self.commit, "--", f"{_posix(folder)}/")
        return frozenset(PurePosixPath(os.fsdecode(name)).name for name in said.split(b"\0") if name)

    def _entry(self, path: PurePath) -> tuple[str, str] | None:
        """Return what git has under a path that is no folder: its mode and the object."""
        said = self.repository.git("ls-tree", "-z", self.commit, "--", _posix(path))
        if not said or said.startswith(b"040000"):
            return None
        mode, _, found = os.fsdecode(said.partition(b"\t")[0]).split()
        return mode, found


@dataclass(frozen=True, slots=True)
class Repository:
    """The repository that a folder belongs to, at its top or below; `folder` is where paths begin."""

    folder: Path
    environ: Mapping[str, str] = field(repr=False)

    def revision(self, word: str) -> Revision:
        """Return the commit that a word means. Raises UsageError where it means none, LockhouseError without git or repository."""
        try:
            self.git("rev-parse", "--git-dir")
        except ProcessError as error:
            if error.returncode == 127:
                raise LockhouseError("git cannot be run", hint="install git, or name two files") from error
            raise LockhouseError(
                f"cannot read {word!r} as a revision: {error.reason}",
                hint="to compare two files, name both: `lockhouse diff OLD.txt NEW.txt`",
            ) from error
        commit = self._commit(word)
        if commit is None:
            raise self._unknown(word)
        return Revision(self, word, commit)

    def knows(self, word: str) -> bool:
        """Say whether a word means a commit; without git or a repository nothing does."""
        return self._commit(word) is not None

    def common(self, one: Revision, other: Revision) -> Revision:
        """Return the newest commit that both go back to; raises UsageError where there is none."""
        try:
            said = self.git("merge-base", one.commit, other.commit)
        except ProcessError as error:
            raise UsageError(
                f"{one.label} and {other.label} have no commit in common",
                hint="a shallow clone does not reach back to it: `git fetch --unshallow`",
            ) from error
        commit = said.decode("ascii").strip()
        return Revision(self, commit[:12], commit)

    def git(self, *argv: str) -> bytes:
        """Run git in the folder and return its output. Raises ProcessError."""
        # What a hook or a shell set (GIT_DIR, GIT_INDEX_FILE) is about another question than ours.
        environ = process.outside_repository(self.environ) | {
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
        }
        try:
            return process.output(["git", "--literal-pathspecs", *argv], cwd=self.folder, environ=environ)
        except ProcessError as error:
            if error.stderr:
                error.reason = f"git: {redact(_first_line(error.stderr))}"
            raise

    def _commit(self, word: str) -> str | None:
        if not word or word.startswith("-") or "\0" in word:
            return None
        try:
            said = self.git("rev-parse", "--verify", "--quiet", f"{word}^{{commit}}")
        except ProcessError:
            return None
        return said.decode("ascii").strip()

    def _unknown(self, word: str) -> UsageError:
        if word == "HEAD":
            return UsageError("there is no commit yet to compare with", hint="commit the locks first")
        reason = f"{word!r} is no file, and no revision that git knows here"
        if self.git("rev-parse", "--is-shallow-repository").strip() == b"true":
            return UsageError(reason, hint="this clone is shallow: `git fetch --unshallow`, or fetch that revision")
        return UsageError(reason, hint="see `git branch --all` and `git tag`, or fetch it first")


def _posix(path: PurePath) -> str:
    return path.as_posix()


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0].removeprefix("fatal: ") or "it does not say why"
