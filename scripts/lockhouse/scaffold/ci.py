"""The part of `init` that concerns CI: the files of each provider, as they come with the package.

What a project's own pipeline needs more, it adds to the short file of the two; the long one is ours.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

PROVIDERS = ("azure", "github", "gitlab")

# For each provider its files: the one that is ours as a whole, then the one that a team makes its own.
_FILES = {
    "azure": ((".azure/lockhouse.yml", "azure/steps.yml"), ("azure-pipelines.yml", "azure/pipeline.yml")),
    "github": (
        (".github/actions/lockhouse/action.yml", "github/action.yml"),
        (".github/workflows/lockhouse.yml", "github/workflow.yml"),
    ),
    "gitlab": ((".gitlab/lockhouse.yml", "gitlab/lockhouse.yml"), (".gitlab-ci.yml", "gitlab/pipeline.yml")),
}


def data(name: str) -> str:
    """Return the text of a file that comes with the package."""
    return (Path(__file__).resolve().parents[1] / "templates" / name).read_bytes().decode()


def files(provider: str, prefix: str, series: str) -> Iterator[tuple[PurePosixPath, str, bool]]:
    """Yield path and text of each file of a provider, and whether it is ours as a whole.

    `prefix` is what the Make targets begin with, `series` the Python to run on.
    """
    for place, (path, name) in enumerate(_FILES[provider]):
        text = data(name)
        if place:
            text = text.replace("@PREFIX@", prefix).replace("@PYTHON@", series)
        yield PurePosixPath(path), text, place == 0
