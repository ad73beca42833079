"""Recipes: typed functions that return the configuration of a training run. ``RECIPES`` lists them."""

from __future__ import annotations

from sparsesr.lab.recipes.find import RECIPES, find_recipe

__all__ = ["RECIPES", "find_recipe"]
