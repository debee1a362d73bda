"""What Lockhouse is for, told from beginning to end: a feed with a password, URLs that are new each time, and CI."""

import sys
from pathlib import Path

import pytest

from support import ci
from support.backends import offer_lockhouse
from support.ci import Caches, Job
from support.environment import clean_environ
from support.index import Index
from support.project import Project
from support.venvs import installed
from support.wheels import build_wheel, flip_byte

PASSWORD = "open sesame"
DEPENDENCIES = {
    "web": ["templates", "routing"],
    "templates": ["escaping"],
    "routing": [],
    "escaping": [],
    "client": ["routing"],
}


class Team:
    """A team with a feed on Azure Artifacts, as far as one machine can have it, and a pipeline with empty caches."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.feed = Index(folder / "feed", auth=("team", PASSWORD), redirect=True)
        self.caches = Caches(folder / "caches")
        self.environ = clean_environ(folder / "home") | {"LOCKHOUSE_PYTHON": sys.executable}
        for name in DEPENDENCIES:
            self.publish(name, "1.0")
        offer_lockhouse(self.feed)

    def publish(self, name: str, version: str) -> None:
        build_wheel(self.feed.directory, name, version, requires=DEPENDENCIES[name])

    def developer(self) -> Project:
        """Their own machine, where pip is configured for the feed."""
        environ = self.environ | {"PIP_INDEX_URL": self.feed.url_with_password}
        return Project(self.folder / "project", environ)

    def push(self, what: str) -> Job:
        """Let the pipeline run on what is committed; only PipAuthenticate knows the password."""
        self.feed.reset_log()
        job = Job.of(
            self.folder / "project",
            self.folder / what.replace(" ", "-"),
            environ=self.environ | {"PIP_INDEX_URL": self.feed.url},
            caches=self.caches,
            signed_in={"PIP_INDEX_URL": self.feed.url_with_password},
        )
        ci.azure(job)
        return job

    def fetched(self) -> set[str]:
        """What the last run had of the feed for the project, file by file; Lockhouse's own wheels are left out."""
        names = [request.filename or "" for request in self.feed.downloads]
        return {name for name in names if name.partition("-")[0] in DEPENDENCIES}


def ok(developer: Project, *command: str) -> None:
    done = developer.run(*command)
    assert done.status == 0, done


def environment(run: Job) -> dict[str, str]:
    return {str(name): version for name, version in installed(run.checkout / ".venv").items()}


@pytest.mark.slow
def test_ci_fetches_everything_once_then_nothing_then_only_what_has_changed(tmp_path: Path):
    team = Team(tmp_path)
    with team.feed:
        # Somebody adds Lockhouse to the project, locks once, and commits.
        developer = team.developer()
        developer.write("requirements/main.in", "web\n")
        developer.write("requirements/dev.in", "-c main.txt\nclient\n")
        ok(developer, "init", "--yes", "--ci", "azure")
        ok(developer, "lock")
        pipeline = developer.read("azure-pipelines.yml")
        developer.write("azure-pipelines.yml", pipeline.replace("parameters:\n", "parameters:\n      feeds: team\n"))

        # The first run has nothing to begin with: everything comes from the feed, once.
        first = team.push("first run")
        everything = {f"{name}-1.0-py3-none-any.whl" for name in DEPENDENCIES}
        assert team.fetched() == everything
        files = [request.filename for request in team.feed.downloads]
        assert len(files) == len(set(files))
        assert environment(first) == dict.fromkeys(DEPENDENCIES, "1.0")

        # The second run has both caches, and asks nobody for anything: not for a page, not for its own tools.
        second = team.push("second run")
        assert team.feed.requests == []
        assert environment(second) == environment(first)

        # One dependency moves. Its wheel is the one file that the third run fetches.
        team.publish("templates", "1.1")
        ok(developer, "lock", "--upgrade-package", "templates")
        third = team.push("third run")
        assert [request.filename for request in team.feed.downloads] == ["templates-1.1-py3-none-any.whl"]
        assert environment(third) == environment(first) | {"templates": "1.1"}

        # Somebody tampers with the cache. What is wrong is thrown away and fetched; the rest is still good.
        house = team.caches.place(team.caches.keys[-1]) / "wheelhouse"
        flip_byte(house / "templates-1.1-py3-none-any.whl")
        build_wheel(house, "escaping", "1.0", build="1")
        fourth = team.push("fourth run")
        assert team.fetched() == {"templates-1.1-py3-none-any.whl"}
        assert environment(fourth) == environment(third)

        # In all of it nobody has seen the password or a signed URL, and the blob store was never shown the password.
        assert team.feed.leaks == []
        said = "".join(run.output for run in (first, second, third, fourth))
        kept = b"".join(
            path.read_bytes() for path in team.caches.store.rglob("*") if path.suffix != ".whl" and path.is_file()
        )
        for secret in (PASSWORD, PASSWORD.replace(" ", "%20"), *team.feed.signatures):
            assert secret not in said
            assert secret.encode() not in kept
