"""CI systems as far as our templates need them: their steps run in order, in a fresh checkout, with caches that last.

Whatever a template uses that is not known here raises KeyError or ValueError: nothing is skipped in silence.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # comes with pre-commit, and without types

from support.archives import sha256

_NOT_COMMITTED = shutil.ignore_patterns("wheelhouse", ".venv", ".lockhouse", "__pycache__")


@dataclass(slots=True)
class Caches:
    """What a CI system keeps from job to job, by key, oldest first.

    `hits` are the keys that were asked for and found, `partial` those that were given instead of another.
    """

    store: Path
    keys: list[str] = field(default_factory=list)
    hits: list[str] = field(default_factory=list)
    partial: list[str] = field(default_factory=list)

    def place(self, key: str) -> Path:
        """Return where the files of a key are kept."""
        return self.store / re.sub(r"[^\w.-]", "_", key)

    def restore(self, key: str, near: Callable[[str], bool], root: Path) -> bool:
        """Give back what the key has, else what the newest key has that is `near`; return whether it was the key itself."""
        found = [key] if key in self.keys else [each for each in self.keys if near(each)]
        if not found:
            return False
        shutil.copytree(self.place(found[-1]), root, symlinks=True, dirs_exist_ok=True)
        (self.hits if found[-1] == key else self.partial).append(found[-1])
        return found[-1] == key

    def save(self, key: str, paths: Sequence[str], root: Path, *, anew: bool) -> None:
        """Keep the paths under the key; what is kept there already is replaced only where CI does so (`anew`)."""
        there = [path for path in paths if (root / path).exists()]
        if not there or (key in self.keys and not anew):
            return
        if key in self.keys:
            self.keys.remove(key)
            shutil.rmtree(self.place(key))
        self.keys.append(key)
        for path in there:
            copy = self.place(key) / path
            copy.parent.mkdir(parents=True, exist_ok=True)
            if (root / path).is_dir():
                shutil.copytree(root / path, copy, symlinks=True)
            else:
                shutil.copy2(root / path, copy)


@dataclass(slots=True, kw_only=True)
class Job:
    """One run of a job in a checkout of its own; `signed_in` are the variables that signing in to feeds sets."""

    checkout: Path
    environ: dict[str, str]
    caches: Caches
    signed_in: Mapping[str, str] = field(default_factory=dict)
    saving: list[tuple[str, Sequence[str]]] = field(default_factory=list)
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

    def cached(self, key: str, *paths: str, near: Callable[[str], bool] = lambda _: False) -> bool:
        """Restore paths, and remember to save them at the end; return whether the key itself was found."""
        self.saving.append((key, paths))
        return self.caches.restore(key, near, self.checkout)

    def finish(self, *, anew: bool = False) -> None:
        """Save the caches, as a job that succeeded does."""
        for key, paths in self.saving:
            self.caches.save(key, paths, self.checkout, anew=anew)

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
            options = {name: value(text) for name, text in step["with"].items()}
            prefixes = tuple(options.pop("restore-keys", "").split())
            assert set(options) == {"key", "path"}
            hit = job.cached(options["key"], options["path"], near=_begins(prefixes))
            if "id" in step:
                context[f"steps.{step['id']}.outputs.cache-hit"] = str(hit).lower()
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


def _begins(prefixes: tuple[str, ...]) -> Callable[[str], bool]:
    return lambda key: key.startswith(prefixes)


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
        inputs = dict(step["inputs"])
        begins = _azure_key(job, inputs.pop("restoreKeys"), value) if "restoreKeys" in inputs else None
        told = inputs.pop("cacheHitVar", None)
        assert set(inputs) == {"key", "path"}
        before = len(job.caches.partial)
        # What a key begins with is whole parts of it.
        hit = job.cached(
            _azure_key(job, inputs["key"], value),
            os.path.relpath(value(inputs["path"]), job.checkout),
            near=_begins(() if begins is None else (f"{begins}|",)),
        )
        if told:
            job.variables[told] = "true" if hit else "inexact" if len(job.caches.partial) > before else "false"
    elif step["task"] == "PipAuthenticate@1":
        assert step["inputs"]["artifactFeeds"]
        job.variables |= job.signed_in
    elif step["task"] != "UsePythonVersion@0":
        raise ValueError(step["task"])


def _azure_key(job: Job, text: str, value: Callable[[str], str]) -> str:
    """Return a key as it is once variables are put in; what is in quotes is text, even where it looks like a file."""
    parts = [part.strip() for part in text.split(" | ")]
    return "|".join(value(part.strip('"')) if part.startswith('"') else job.digest(part) for part in parts)


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
    job.finish(anew=True)
    job.checkout, job.saving = clean, []
    _gitlab_job(job, {**everything[".lockhouse"], **everything["install"]}, {**variables, **told})
    job.finish(anew=True)


def _gitlab_job(job: Job, described: Mapping[str, Any], variables: Mapping[str, str]) -> None:
    def value(text: str) -> str:
        return re.sub(r"\$(\w+)", lambda match: variables[match[1]], text)

    for cache in described["cache"]:
        assert set(cache) <= {"key", "paths", "fallback_keys", "policy"}
        key = cache["key"]
        if isinstance(key, dict):
            key = "-".join((key["prefix"], *map(job.digest, key["files"])))
        key, paths = value(key), [value(path) for path in cache["paths"]]
        if "policy" in cache:
            assert cache["policy"] == "push"
            job.saving.append((key, paths))
            continue
        # GitLab compares fallback_keys as a whole.
        others = {value(other) for other in cache.get("fallback_keys", ())}
        job.cached(key, *paths, near=others.__contains__)
    script = "\n".join((*described.get("before_script", ()), *described["script"]))
    job.bash(script, variables, "-eo", "pipefail")
