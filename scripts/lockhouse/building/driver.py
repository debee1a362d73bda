"""One hook of PEP 517 or PEP 660 through pypa/build, run inside the sandbox by our own interpreter.

The answer goes into a file, all else to the log. The hooks run in the environment's interpreter and see its packages only.
"""

import json
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from build import BuildBackendException, BuildException, ProjectBuilder
from pyproject_hooks import HookMissing

_REQUIRES, _BUILD = "get_requires_for_build_", "build_"


def main(argv: Sequence[str]) -> int:
    """Call one hook and write the answer.

    `argv` is the hook's name, the source folder, the environment's interpreter, the folder for the wheel and the file
    for the answer: `{"value": ...}`, or `{"status": exit status of the hook, "reason": text}`, with `"missing": true` where
    the backend has no such hook; then 1 is returned.
    """
    hook, source, python, output, answer = argv
    # What a library has to say about the project belongs in the log, not into our own warnings.
    warnings.simplefilter("default")
    try:
        builder = ProjectBuilder(source, python)
        told: dict[str, Any] = {"value": _call(builder, hook, output)}
    except (BuildException, BuildBackendException, OSError, TypeError, ValueError) as error:
        # The last three: a backend-path that leads out of the source, a file that is not UTF-8, an answer of no use.
        told = _failure(error)
    Path(answer).write_text(json.dumps(told), encoding="utf-8")
    return 0 if "value" in told else 1


def _call(builder: ProjectBuilder, hook: str, output: str) -> list[str] | str:
    if hook.startswith(_REQUIRES):
        return sorted(builder.get_requires_for_build(_kind(hook, _REQUIRES)))
    return Path(builder.build(_kind(hook, _BUILD), output)).name


def _kind(hook: str, before: str) -> Literal["editable", "wheel"]:
    return "editable" if hook.removeprefix(before) == "editable" else "wheel"


def _failure(error: Exception) -> dict[str, Any]:
    cause = getattr(error, "exception", None)
    if isinstance(cause, subprocess.CalledProcessError):
        # The hook has printed its own traceback.
        code = cause.returncode
        return {"status": code if code >= 0 else 128 - code, "reason": ""}
    if isinstance(cause, HookMissing):
        return {"status": 1, "reason": f"its backend has no {cause.hook_name}", "missing": True}
    if traceback := getattr(cause, "traceback", ""):
        sys.stderr.write(f"{traceback}\n")
    sys.stderr.write(f"{error}\n")
    return {"status": 1, "reason": str(error)}
