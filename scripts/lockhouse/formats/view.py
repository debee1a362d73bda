"""What a format needs besides the report: how it ends, for which target, and where the project lies in its repository."""

import os
from dataclasses import dataclass
from pathlib import Path, PurePath

from lockhouse.report import below, safe
from lockhouse.rules import Finding
from lockhouse.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """`ok` is whether the exit status is 0; `top` is the repository's folder, `root` the project's in it."""

    ok: bool
    target: Target
    root: Path
    top: Path

    def in_repository(self, path: PurePath) -> PurePath:
        """Return a finding's path relative to the repository; an absolute one where it is not in there."""
        full = PurePath(os.path.normpath(self.root / path))
        return full.relative_to(self.top) if full.is_relative_to(self.top) else full


def top_of(root: Path) -> Path:
    """Return the folder of the git repository that a project is in (a linked worktree counts), or the project's own."""
    return next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)


def whole_message(found: Finding) -> str:
    """Return a finding's message with its facts and its hint, in lines."""
    return "\n".join([safe(found.message), *below(found)])
