"""Recipe overrides of the form ``key=value``, such as ``steps=2000`` or ``sparsity.target_density=0.5``."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable
from typing import Any, TypeVar

from sparsesr.errors import Parameter, UsageError
from sparsesr.lab.train.recipe import Recipe

_TRUE, _FALSE, _NONE = ("true", "yes", "1"), ("false", "no", "0"), ("none", "")

AnyRecipe = TypeVar("AnyRecipe", bound=Recipe)


def with_overrides(recipe: AnyRecipe, assignments: Iterable[str]) -> AnyRecipe:
    """The recipe with ``key=value`` settings, parsed by the type of the field; lists are comma-separated.

    All are applied before validation, so their order does not matter.

    Raises:
        UsageError: no such key, or a value of the wrong type or out of range.
    """
    changes: dict[str, Any] = {}
    nested: dict[str, dict[str, Any]] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise UsageError(f"{assignment!r} has no value", where=Parameter("set"), remedy="write key=value")
        path, setting = key.strip().split("."), Parameter(f"recipe.{key.strip()}")
        if len(path) == 1:
            changes[path[0]] = _read(type(recipe), path[0], text.strip(), setting)
        else:
            group = _group(type(recipe), path[0], setting)
            inner = _read(group, ".".join(path[1:]), text.strip(), setting)
            nested.setdefault(path[0], {})[path[1]] = inner
    for name, inner_changes in nested.items():
        current = getattr(recipe, name) or _group(type(recipe), name, Parameter(f"recipe.{name}"))()
        changes[name] = dataclasses.replace(current, **inner_changes)
    return dataclasses.replace(recipe, **changes)


def _group(settings: type, name: str, setting: Parameter) -> type:
    """Class of a setting that has settings of its own, such as ``sparsity``; UsageError if it has none."""
    kind = _kind(settings, name, setting)
    classes = [choice for choice in (kind, *typing.get_args(kind)) if dataclasses.is_dataclass(choice)]
    if not classes:
        raise UsageError("has no nested settings", where=Parameter(f"recipe.{name}"))
    return typing.cast(type, classes[0])


def _read(settings: type, name: str, text: str, setting: Parameter) -> Any:
    return _parsed(_kind(settings, name, setting), text, setting)


def _kind(settings: type, name: str, setting: Parameter) -> Any:
    """Type of a setting; UsageError if there is no such setting."""
    kinds = typing.get_type_hints(settings)
    if name not in kinds:
        close = difflib.get_close_matches(name, kinds, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(kinds)}"
        raise UsageError("no such setting", where=setting, remedy=hint)
    return kinds[name]


def _parsed(kind: Any, text: str, setting: Parameter) -> Any:
    """Parse ``text`` as a bool, int, float, str or tuple of these, or None where the type allows it."""
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
        raise UsageError(f"{text!r} is not of the type {name}", where=setting) from None


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
