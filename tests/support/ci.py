"""CI systems as far as our templates need them: their steps run in order, in a fresh checkout, with caches that last.

Whatever a template uses that is not known here raises KeyError or ValueError: nothing is skipped in silence.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # comes with pre-commit, and without types

from support.archives import sha256

_NOT_COMMITTED = shutil.ignore_patterns("wheelhouse", ".venv", ".lockhouse", "__pycache__")


@dataclass(slots=True)
class Caches:
    """What a CI system keeps from job to job: a folder for each exact key; a key is written once."""

    store: Path
    hits: list[str] = field(default_factory=list)

    def place(self, key: str) -> Path:
        """Return where the folder of a key is kept."""
        return self.store / re.sub(r"[^\w.-]", "_", key)

    def restore(self, key: str, folder: Path) -> None:
        """Give back what the key has, if it has anything."""
        if self.place(key).is_dir():
            shutil.copytree(self.place(key), folder, symlinks=True)
            self.hits.append(key)

    def save(self, key: str, folder: Path) -> None:
        """Keep the folder under the key, unless something is kept there."""
        if folder.is_dir() and not self.place(key).exists():
            shutil.copytree(folder, self.place(key), symlinks=True)


@dataclass(slots=True, kw_only=True)
class Job:
    """One run of a job in a checkout of its own; `signed_in` are the variables that signing in to feeds sets."""

    checkout: Path
    environ: dict[str, str]
    caches: Caches
    signed_in: Mapping[str, str] = field(default_factory=dict)
    saving: list[tuple[str, Path]] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    output: str = ""

    @classmethod
    def of(cls, project: Path, checkout: Path, **rest: Any) -> "Job":
        """Check the project out, without what is not committed."""
        shutil.copytree(project, checkout, ignore=_NOT_COMMITTED)
        return cls(checkout=checkout, **rest)

    def bash(self, script: str, environ: Mapping[str, str], *options: str) -> str:
        """Run one step; raises AssertionError, with all that it said, where it fails."""
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", *options, "-c", script],
            cwd=self.checkout,
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        self.output += done.stdout + done.stderr
        assert done.returncode == 0, f"{script}\n{self.output}"
        return done.stdout

    def cached(self, key: str, path: str) -> None:
        """Restore a folder, and remember to save it at the end."""
        folder = self.checkout / path
        self.caches.restore(key, folder)
        self.saving.append((key, folder))

    def finish(self) -> None:
        """Save the caches, as a job that succeeded does."""
        for key, folder in self.saving:
            self.caches.save(key, folder)

    def read(self, path: str) -> Any:
        """Return a YAML file of the checkout."""
        return yaml.safe_load((self.checkout / path).read_text(encoding="utf-8"))

    def digest(self, path: str) -> str:
        """Return what CI makes of a file in a key; raises OSError where there is none."""
        return str(sha256(self.checkout / path))[:16]


def github(job: Job) -> None:
    """Run `.github/workflows/lockhouse.yml`."""
    workflow = job.read(".github/workflows/lockhouse.yml")
    for step in workflow["jobs"]["install"]["steps"]:
        uses = step.get("uses", "")
        if uses.startswith("./"):
            _github_action(job, f"{uses}/action.yml", step.get("with", {}))
        elif "run" in step:
            job.bash(step["run"], {}, "-e")
        elif uses.partition("@")[0] not in {"actions/checkout", "actions/setup-python"}:
            raise ValueError(uses)
    job.finish()


def _github_action(job: Job, path: str, given: Mapping[str, str]) -> None:
    action = job.read(path)
    assert not given.keys() - action["inputs"].keys()
    context = {f"inputs.{name}": given.get(name, each["default"]) for name, each in action["inputs"].items()}
    context |= {"runner.os": "Linux", "runner.arch": "X64", "env.pythonLocation": "/opt/python"}

    def value(text: str) -> str:
        def evaluated(match: re.Match[str]) -> str:
            if files := re.fullmatch(r"hashFiles\('([^']+)'\)", match[1]):
                return job.digest(files[1])
            return str(context[match[1]])

        return re.sub(r"\$\{\{\s*(.+?)\s*\}\}", evaluated, text)

    assert action["runs"]["using"] == "composite"
    for number, step in enumerate(action["runs"]["steps"]):
        if step.get("uses", "").startswith("actions/cache@"):
            assert set(step["with"]) == {"key", "path"}
            job.cached(value(step["with"]["key"]), value(step["with"]["path"]))
            continue
        assert step["shell"] == "bash"
        assert "${{" not in step["run"], "what is put into a script as it is can be a script"
        output = job.checkout / f"output{number}"
        environ = {name: value(text) for name, text in step.get("env", {}).items()}
        job.bash(step["run"], {**environ, "GITHUB_OUTPUT": str(output)}, "-eo", "pipefail")
        if output.exists():
            for line in output.read_text(encoding="utf-8").splitlines():
                name, _, said = line.partition("=")
                context[f"steps.{step['id']}.outputs.{name}"] = said


def azure(job: Job) -> None:
    """Run `azure-pipelines.yml`."""
    for step in job.read("azure-pipelines.yml")["steps"]:
        if "template" in step:
            template = job.read(step["template"])
            parameters = {each["name"]: each["default"] for each in template["parameters"]}
            assert not step["parameters"].keys() - parameters.keys()
            for each in _expanded(template["steps"], {**parameters, **step["parameters"]}):
                _azure_step(job, each)
        else:
            _azure_step(job, step)
    job.finish()


def _expanded(steps: Iterable[Any], parameters: Mapping[str, str]) -> list[Any]:
    """Return the steps as they are once the template's own expressions have been worked out."""
    found = []
    for step in steps:
        [first, *_] = step
        if condition := re.fullmatch(r"\$\{\{ if ne\(parameters\.(\w+), ''\) \}\}", first):
            found += _expanded(step[first], parameters) if parameters[condition[1]] else []
        else:
            found.append(_filled(step, parameters))
    return found


def _filled(value: Any, parameters: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(entry, parameters) for key, entry in value.items()}
    return re.sub(r"\$\{\{ parameters\.(\w+) \}\}", lambda match: parameters[match[1]], value)


def _azure_step(job: Job, step: Mapping[str, Any]) -> None:
    known = {
        "Agent.OS": "Linux",
        "pythonLocation": "/opt/python",
        "System.DefaultWorkingDirectory": str(job.checkout),
        **job.variables,
    }

    def value(text: str) -> str:
        return re.sub(r"\$\(([\w.]+)\)", lambda match: known[match[1]], text)

    if "bash" in step:
        environ = {name: value(text) for name, text in step.get("env", {}).items()}
        said = job.bash(step["bash"], {**environ, **job.variables})
        job.variables |= dict(re.findall(r"^##vso\[task\.setvariable variable=(\w+)\](.*)$", said, re.MULTILINE))
    elif step["task"] == "Cache@2":
        inputs = step["inputs"]
        assert set(inputs) == {"key", "path"}
        parts = [part.strip() for part in inputs["key"].split(" | ")]
        # What is in quotes is text, even where it looks like a file.
        key = [value(part.strip('"')) if part.startswith('"') else job.digest(part) for part in parts]
        job.cached("|".join(key), os.path.relpath(value(inputs["path"]), job.checkout))
    elif step["task"] == "PipAuthenticate@1":
        assert step["inputs"]["artifactFeeds"]
        job.variables |= job.signed_in
    elif step["task"] != "UsePythonVersion@0":
        raise ValueError(step["task"])


def gitlab(job: Job) -> None:
    """Run `.gitlab-ci.yml`: the job that makes the key, and then, in a checkout of its own, the job that installs."""
    pipeline = job.read(".gitlab-ci.yml")
    everything = {**job.read(pipeline["include"]), **pipeline}
    variables = {**job.read(pipeline["include"])["variables"], **pipeline["variables"]}
    [needed] = everything[".lockhouse"]["needs"]
    clean = job.checkout.with_name(f"{job.checkout.name}-install")
    shutil.copytree(job.checkout, clean)
    _gitlab_job(job, everything[needed], variables)
    report = everything[needed]["artifacts"]["reports"]["dotenv"]
    told = dict(line.split("=", 1) for line in (job.checkout / report).read_text(encoding="utf-8").splitlines())
    job.finish()
    job.checkout, job.saving = clean, []
    _gitlab_job(job, {**everything[".lockhouse"], **everything["install"]}, {**variables, **told})
    job.finish()


def _gitlab_job(job: Job, described: Mapping[str, Any], variables: Mapping[str, str]) -> None:
    def value(text: str) -> str:
        return re.sub(r"\$(\w+)", lambda match: variables[match[1]], text)

    for cache in described["cache"]:
        assert set(cache) == {"key", "paths"}
        key = cache["key"]
        if isinstance(key, dict):
            key = "-".join((key["prefix"], *map(job.digest, key["files"])))
        [path] = cache["paths"]
        job.cached(value(key), value(path))
    script = "\n".join((*described.get("before_script", ()), *described["script"]))
    job.bash(script, variables, "-eo", "pipefail")
