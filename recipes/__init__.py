"""Recipes: typed functions that return the configuration of a training run."""
