"""Output for users: one line per error on stderr, tracebacks only with ``--debug``, JSON on stdout."""

from __future__ import annotations

import json
import math
import os
import sys
from typing import TYPE_CHECKING, Any

from sparsesr.cli.streams import silence
from sparsesr.errors import SparsesrError, Wording

if TYPE_CHECKING:
    from sparsesr.engine.plan import Plan

_FLAG = "--debug"
_SHORT_OPTIONS = {
    "format": "-f",
    "model": "-n",
    "output": "-o",
    "recursive": "-r",
    "scale": "-s",
    "threads": "-j",
}
_LONG_OPTIONS = frozenset(
    {
        "budget",
        "deadline_ms",
        "depth",
        "device",
        "effort",
        "exit",
        "form",
        "inference",
        "memory",
        "overwrite",
        "peers",
        "precision",
        "quality",
    }
    | {
        "fit",
        "height",
        "lossless",
        "measure_latency",
        "preserve_time",
        "resume",
        "set",
        "skip_existing",
        "strip",
    }
    | {"address", "target_ms", "width"}
    | {"host", "insecure", "port", "token"}
    | {"target_ms", "width"}
    | {"codec", "crf", "deinterlace", "preset", "reuse"}
)
_RECIPE = "recipe."
"""Prefix of parameters that are settings of a training recipe."""
_wants_traceback = False


def take_debug_flag(arguments: list[str]) -> list[str]:
    """Return the arguments without ``--debug``, and remember whether it (or SPARSESR_DEBUG) was set."""
    global _wants_traceback
    end = arguments.index("--") if "--" in arguments else len(arguments)
    kept = [argument for argument in arguments[:end] if argument != _FLAG]
    _wants_traceback = len(kept) < end or bool(os.environ.get("SPARSESR_DEBUG"))
    return kept + arguments[end:]


def option_of(parameter: str) -> str:
    """The command-line option for a parameter of the library; the parameter itself if there is none."""
    if parameter.startswith(_RECIPE):
        return f"--set {parameter.removeprefix(_RECIPE)}"
    long = f"--{parameter.replace('_', '-')}" if parameter in _LONG_OPTIONS else parameter
    return _SHORT_OPTIONS.get(parameter, long)


def _has_option(parameter: str) -> bool:
    return option_of(parameter).startswith("-")


def print_error(error: SparsesrError) -> int:
    """Print the line of an error (after its traceback, if wanted); return the exit status."""
    if _wants_traceback:
        import traceback

        traceback.print_exception(error)
    say(f"error: {' '.join(line_of(error).split())}", to_stderr=True)
    return error.exit_status


def line_of(error: SparsesrError) -> str:
    """The line of an error, with parameters named as command-line options; without advice that no option can follow."""
    has_options = not isinstance(error.remedy, Wording) or all(map(_has_option, error.remedy.parameters))
    line = (
        error.line(option_of) if has_options else SparsesrError(error.what, where=error.where).line(option_of)
    )
    is_bug = error.remedy is None and error.code == SparsesrError.code
    return f"{line}; run again with --debug and report the output" if is_bug else line


def say(line: str, *, to_stderr: bool = False) -> None:
    """Print a line at once. A reader that is gone does not stop the work."""
    stream = sys.stderr if to_stderr else sys.stdout
    try:
        print(line, file=stream, flush=True)
    except BrokenPipeError:
        silence(stream)


def warn_of_plan(plan: Plan) -> None:
    """Print the plan's warning, if any, on stderr before work starts."""
    warning = plan.warning()
    if warning is not None:
        say(f"note: {warning.worded(option_of)}", to_stderr=True)


def print_json(record: dict[str, Any]) -> None:
    """Print one line of JSON on stdout and flush."""
    say(as_json(record))


def as_json(record: dict[str, Any]) -> str:
    """A record as one line of ASCII; non-finite numbers become null."""
    return json.dumps(_clean(record), ensure_ascii=True, allow_nan=False)


def _clean(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [_clean(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value
