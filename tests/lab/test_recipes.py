"""Every recipe can be loaded and names a network that exists."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from recipes.run import RECIPES

from sparsesr.lab.nn.registry import create


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_recipe_names_a_network_of_its_scale(name):
    recipe = RECIPES[name](Path("pictures"), 7)
    assert recipe.steps == 7
    assert create(recipe.network).config.scale == recipe.scale
