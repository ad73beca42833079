"""Recipes by name, and recipes in the user's own files.

To add one, write its function in the file of its network and list it in ``RECIPES`` there.
"""

from __future__ import annotations

import difflib
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sparsesr.errors import InputError, UsageError
from sparsesr.lab.recipes import acnet, esrt, ranet, searches, skim, smsr
from sparsesr.lab.search.recipe import SearchRecipe
from sparsesr.lab.train.recipe import Recipe

_FILES = (smsr, skim, esrt, acnet, ranet)

RECIPES: dict[str, Callable[[], Recipe]] = {
    name: recipe for file in _FILES for name, recipe in file.RECIPES.items()
}
SEARCHES: dict[str, Callable[[], SearchRecipe]] = searches.SEARCHES
Kind = TypeVar("Kind", bound=Recipe)


def find_recipe(name: str) -> Recipe:
    """The training recipe with this name in ``RECIPES``, or the result of ``path.py:function``; the file is executed.

    Raises:
        UsageError: no such name; the function is missing or returns no recipe.
        InputError: the file is missing or raises an error.
    """
    return _find(name, RECIPES, Recipe)


def find_search_recipe(name: str) -> SearchRecipe:
    """As :func:`find_recipe`, for searches and ``SEARCHES``."""
    return _find(name, SEARCHES, SearchRecipe)


def _find(name: str, known: dict[str, Callable[[], Kind]], kind: type[Kind]) -> Kind:
    path, colon, function = name.rpartition(":")
    if colon and path.endswith(".py"):
        return _from_file(Path(path), function, kind)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(known)}"
        raise UsageError(f"no recipe {name!r}; {hint} (or write path.py:function)")
    return known[name]()


def _from_file(path: Path, function: str, kind: type[Kind]) -> Kind:
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the name of a recipe, or path.py:function")
    try:
        made = runpy.run_path(str(path)).get(function)
        recipe = made() if callable(made) else None
    except (UsageError, InputError):
        raise
    except Exception as error:
        raise InputError(f"{path}: fails with {type(error).__name__}: {error}; fix the file") from error
    if not isinstance(recipe, kind):
        raise UsageError(f"{path}: has no function {function!r} that returns a {kind.__name__}")
    return recipe
