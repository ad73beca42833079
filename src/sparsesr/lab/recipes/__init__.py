"""Recipes: typed functions that return a run's configuration. ``RECIPES`` lists trainings, ``SEARCHES`` searches."""

from __future__ import annotations

from sparsesr.lab.recipes.find import RECIPES, SEARCHES, find_recipe, find_search_recipe

__all__ = ["RECIPES", "SEARCHES", "find_recipe", "find_search_recipe"]
