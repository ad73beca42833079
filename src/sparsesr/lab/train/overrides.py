"""Changes to a recipe that are typed as ``key=value``: ``steps=2000``, ``sparsity.target_density=0.5``."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from sparsesr.errors import UsageError
from sparsesr.lab.train.recipe import Recipe, Sparsity

Settings = TypeVar("Settings", Recipe, Sparsity)
_TRUE, _FALSE, _NONE = ("true", "yes", "1"), ("false", "no", "0"), ("none", "")


def with_overrides(recipe: Recipe, assignments: Iterable[str]) -> Recipe:
    """The recipe with ``key=value`` settings, values read by the field's type; lists are separated by commas.

    Raises:
        UsageError: no such key, or a value of the wrong type or out of range.
    """
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise UsageError(f"--set {assignment!r} has no value; write key=value")
        recipe = _with_setting(recipe, key.strip().split("."), text.strip(), f"--set {key}")
    return recipe


def _with_setting(settings: Settings, path: list[str], text: str, option: str) -> Settings:
    kinds = typing.get_type_hints(type(settings))
    if path[0] not in kinds:
        close = difflib.get_close_matches(path[0], kinds, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(kinds)}"
        raise UsageError(f"{option}: no such setting; {hint}")
    if len(path) == 1:
        value = _parsed(kinds[path[0]], text, option)
    elif path[0] == "sparsity" and isinstance(settings, Recipe):
        value = _with_setting(settings.sparsity or Sparsity(), path[1:], text, option)
    else:
        raise UsageError(f"{option}: {path[0]} has no settings of its own")
    changes: Mapping[str, Any] = {path[0]: value}
    return dataclasses.replace(settings, **changes)


def _parsed(kind: Any, text: str, option: str) -> Any:
    """``text`` as a bool, int, float, str, tuple of one of these, or None where the type allows it."""
    choices = typing.get_args(kind) if typing.get_origin(kind) in (types.UnionType, typing.Union) else (kind,)
    if type(None) in choices and text.lower() in _NONE:
        return None
    chosen = next(choice for choice in choices if choice is not type(None))
    try:
        if typing.get_origin(chosen) is tuple:
            inner = typing.get_args(chosen)[0]
            return tuple(_plain(inner, part.strip()) for part in text.split(",") if part.strip())
        return _plain(chosen, text)
    except ValueError:
        name = getattr(chosen, "__name__", str(chosen))
        raise UsageError(f"{option}: {text!r} is not of the type {name}") from None


def _plain(kind: Any, text: str) -> Any:
    if kind is bool:
        if text.lower() not in _TRUE + _FALSE:
            raise ValueError
        return text.lower() in _TRUE
    if kind is int:
        return int(text.replace("_", ""))
    if kind not in (float, str):
        raise ValueError
    return kind(text)
