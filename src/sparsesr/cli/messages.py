"""What users read: one line per error on stderr, tracebacks only with ``--debug``, JSON on stdout."""

from __future__ import annotations

import json
import math
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparsesr.engine.plan import Plan

_FLAG = "--debug"
_wants_traceback = False


def take_debug_flag(arguments: list[str]) -> list[str]:
    """Return the arguments without ``--debug`` and remember whether it was there (or SPARSESR_DEBUG set)."""
    global _wants_traceback
    end = arguments.index("--") if "--" in arguments else len(arguments)
    kept = [argument for argument in arguments[:end] if argument != _FLAG]
    _wants_traceback = len(kept) < end or bool(os.environ.get("SPARSESR_DEBUG"))
    return kept + arguments[end:]


def failed(message: str, status: int) -> int:
    """Print ``error: message`` (after the traceback, if wanted, of the exception in hand); return status."""
    if _wants_traceback:
        import traceback

        traceback.print_exc()
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return status


def internal(error: Exception) -> str:
    """What to say about an exception that nobody expected."""
    return (
        f"internal error: {type(error).__name__}: {error}; run again with --debug and report what it prints"
    )


def warn_of_plan(plan: Plan, size: tuple[int, int]) -> None:
    """Say on stderr, before work starts, that it will take long and what would help."""
    warning = plan.warning()
    if warning:
        print(f"note: {warning}", file=sys.stderr, flush=True)


def print_json(record: dict[str, Any]) -> None:
    """One line of JSON on stdout, at once; numbers that JSON cannot hold become null."""
    print(json.dumps(_clean(record), ensure_ascii=True, allow_nan=False), flush=True)


def _clean(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [_clean(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value
