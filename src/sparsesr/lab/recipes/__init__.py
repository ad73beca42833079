"""Training recipes: typed functions that return a run's configuration. ``RECIPES`` lists them."""

from __future__ import annotations

from sparsesr.lab.recipes.find import RECIPES, find_recipe

__all__ = ["RECIPES", "find_recipe"]
