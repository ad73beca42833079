"""Checks of a recipe's settings; each raises UsageError. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from sparsesr.errors import UsageError


def check(is_good: bool, message: str) -> None:
    """Raise UsageError with a message about the recipe unless ``is_good``."""
    if not is_good:
        raise UsageError(f"recipe: {message}")


def check_rate(name: str, rate: float) -> None:
    """Raise UsageError unless a learning rate is a positive number."""
    check(0 < rate < math.inf, f"{name} {rate} must be a positive number")


def check_betas(name: str, betas: tuple[float, ...]) -> None:
    """Raise UsageError unless these are the two decay rates of Adam."""
    check(len(betas) == 2, f"{name} are two numbers")
    check(all(0 <= beta < 1 for beta in betas), f"{name} {betas} must be in 0..1, below 1")


def check_packed(packed: str) -> None:
    """Raise UsageError unless a packed file can have this name: its index gets the same with the ending .json."""
    path = Path(packed)
    check(
        not packed or (path.name not in ("", "..") and path.suffix != ".json"),
        f"packed {packed!r} must be the name of a file that does not end in .json, such as images.bin",
    )


def check_at_least_one(recipe: object, *names: str) -> None:
    """Raise UsageError if one of these settings is below 1."""
    for name in names:
        check(getattr(recipe, name) >= 1, f"{name} {getattr(recipe, name)} must be at least 1")


def check_choices(recipe: object, choices: Mapping[str, tuple[str, ...]]) -> None:
    """Raise UsageError if a setting is none of its choices."""
    for name, known in choices.items():
        check(getattr(recipe, name) in known, f"{name} {getattr(recipe, name)!r}: use {', '.join(known)}")
