"""Parsing and checks of option values."""

from __future__ import annotations

import re

from sparsesr.engine.output_size import written_size
from sparsesr.errors import UsageError
from sparsesr.runtime.precision import PRECISIONS

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY_UNITS = {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def parse_memory(text: str | None) -> int | None:
    """The value of ``--memory`` in bytes; None stays None."""
    return None if text is None else parse_amount("--memory", text)


def parse_amount(option: str, text: str) -> int:
    """``2GB``, ``500M``, ``1.5GiB`` -> bytes; UsageError for anything else, or less than a megabyte."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?\s*", text.lower())
    if match is None:
        raise UsageError(f"{option} {text!r} is not an amount of memory", remedy="write it like 2GB or 500MB")
    unit = match.group(2) or ""
    amount = int(float(match.group(1)) * (_BINARY_UNITS.get(unit) or _UNITS[unit]))
    if amount < 10**6:
        raise UsageError(f"{option} {text!r} is less than a megabyte", remedy="write the unit, like 2GB")
    return amount


def parse_mean_cost(text: str | None) -> tuple[float, str] | None:
    """``20M`` (multiply-adds) or ``0.5ms`` -> (20e6, "multiply-adds") or (0.5, "ms"); UsageError for anything else."""
    if text is None:
        return None
    match = re.fullmatch(r"\s*(-?\d+(?:\.\d+)?)\s*(ms|[kmg])\s*", text.lower())
    if match is None:
        raise UsageError(
            f"--budget {text!r} is no mean cost", remedy="write multiply-adds like 20M, or time like 0.5ms"
        )
    amount, unit = float(match.group(1)), match.group(2)
    if not amount > 0:
        raise UsageError(f"--budget {text!r} must be greater than 0")
    return (amount, "ms") if unit == "ms" else (amount * _UNITS[unit], "multiply-adds")


def parse_count(option: str, text: str) -> float:
    """``5e12``, ``500G``, ``2T`` -> a number greater than 0; UsageError for anything else."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?(?:e\+?\d{1,2})?)\s*([kmgt]?)\s*", text.lower())
    if match is None:
        raise UsageError(f"{option} {text!r} is not a number", remedy="write it like 5e12, 500G or 2T")
    count = float(match.group(1)) * _UNITS[match.group(2)]
    if count == 0:
        raise UsageError(f"{option} {text} must be greater than 0")
    return count


_MAX_SIGMA = 255
MOST_SIDE_PX = 8192
"""Of sizes at which something is made or measured."""


def parse_size(option: str, text: str, most_px: int | None = None) -> tuple[int, int]:
    """``1920x1080`` -> (1920, 1080), width first; UsageError for anything else, or over ``most_px`` a side."""
    size = written_size(text)
    if size is None:
        raise UsageError(f"{option} {text!r} is not a size", remedy="write width and height, like 1920x1080")
    width, height = size
    if most_px is not None and not 1 <= min(width, height) <= max(width, height) <= most_px:
        raise UsageError(f"{option} {text!r} is not a size: sides are 1 to {most_px} px")
    return width, height


def parse_fit(text: str | None) -> tuple[int, int] | None:
    """The value of ``--fit``, width first; None stays None."""
    return None if text is None else parse_size("--fit", text)


def check_existing(*, overwrite: bool, skip_existing: bool) -> None:
    """Raise UsageError if both say what is done about existing outputs."""
    if overwrite and skip_existing:
        raise UsageError("--overwrite and --skip-existing exclude each other")


def check_precision(text: str) -> None:
    """Raise UsageError for an unknown precision."""
    if text not in PRECISIONS:
        raise UsageError(
            f"--precision {text!r} is unknown", remedy=f"use {', '.join(PRECISIONS[:-1])} or {PRECISIONS[-1]}"
        )


def check_effort(effort: float | None) -> None:
    """Raise UsageError unless ``effort`` is None or in 0..1."""
    if effort is not None and not 0 <= effort <= 1:
        raise UsageError(f"--effort {effort:g} is not between 0 and 1")


def check_noise_sigma(sigma: float) -> None:
    """Raise UsageError unless ``sigma``, of 255, is in 0..255."""
    if not 0 <= sigma <= _MAX_SIGMA:
        raise UsageError(f"--noise-sigma must be 0 to {_MAX_SIGMA}, not {sigma:g}")


def check_target(target_ms: float | None, effort: float | None) -> None:
    """Raise UsageError unless ``target_ms`` is None, or greater than 0 with no effort given."""
    if target_ms is None:
        return
    if not target_ms > 0:
        raise UsageError(f"--target-ms {target_ms:g} must be greater than 0")
    if effort is not None:
        raise UsageError("--target-ms chooses the effort", remedy="leave --effort out, or --target-ms")


def check_positive(option: str, value: int | None) -> None:
    """Raise UsageError unless ``value`` is None or at least 1."""
    if value is not None and value < 1:
        raise UsageError(f"{option} {value} must be at least 1")
