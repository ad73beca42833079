"""The task of each kind of recipe. To add one, write its recipe and its task, and list them here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sparsesr.errors import UsageError
from sparsesr.lab.train.classifying import Classifying
from sparsesr.lab.train.classifying_recipe import ClassifyingRecipe
from sparsesr.lab.train.enlarging import Enlarging
from sparsesr.lab.train.enlarging_recipe import EnlargingRecipe
from sparsesr.lab.train.recipe import Recipe
from sparsesr.lab.train.task import Task

_TASKS: dict[type[Recipe], Callable[[Any], Task]] = {
    EnlargingRecipe: Enlarging,
    ClassifyingRecipe: Classifying,
}


def task_of(recipe: Recipe) -> Task:
    """The task that a recipe is for; UsageError if its class says none."""
    for kind, task in _TASKS.items():
        if isinstance(recipe, kind):
            return task(recipe)
    names = ", ".join(kind.__name__ for kind in _TASKS)
    raise UsageError(f"recipe: a {type(recipe).__name__} has no task; make one of {names}")
