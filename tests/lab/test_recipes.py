"""Every recipe loads and names an existing network; recipes in files and settings are validated."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from sparsesr.errors import InputError, UsageError
from sparsesr.lab.nn.registry import create
from sparsesr.lab.recipes import RECIPES, find_recipe
from sparsesr.lab.train.classifying_recipe import ClassifyingRecipe
from sparsesr.lab.train.enlarging_recipe import EnlargingRecipe
from sparsesr.lab.train.overrides import with_overrides
from sparsesr.lab.train.recipe import Recipe

MY_RECIPE = """
from dataclasses import replace
from sparsesr.lab.recipes import find_recipe
def mine():
    return replace(find_recipe("smsr_x2"), steps=7)
def nothing():
    return 3
"""


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_recipe_names_a_network_with_its_scale(name):
    recipe = find_recipe(name)
    assert isinstance(recipe, Recipe)
    config = create(recipe.network).config
    if isinstance(recipe, EnlargingRecipe):
        assert config.scale == recipe.scale
    else:
        assert isinstance(recipe, ClassifyingRecipe) and config.classes == 10


def test_recipes_in_a_file(tmp_path):
    path = tmp_path / "my.py"
    path.write_text(MY_RECIPE)
    assert find_recipe(f"{path}:mine").steps == 7
    with pytest.raises(UsageError, match="no function 'nothing'"):
        find_recipe(f"{path}:nothing")
    with pytest.raises(InputError, match="no such file"):
        find_recipe(f"{tmp_path}/none.py:mine")
    path.write_text("1 / 0")
    with pytest.raises(InputError, match="ZeroDivisionError"):
        find_recipe(f"{path}:mine")


def test_an_unknown_name_gets_a_hint():
    with pytest.raises(UsageError, match="did you mean smsr_"):
        find_recipe("smrs_x2")


def test_settings_are_read_by_their_type():
    given = [
        "steps=1_000",
        "learning_rate=1e-4",
        "betas=0.9, 0.99",
        "compile=yes",
        "folders=a,b",
        "init_from=x=y",
    ]
    recipe = with_overrides(find_recipe("smsr_x2"), [*given, "sparsity.target_density=0.4"])
    assert (recipe.steps, recipe.learning_rate, recipe.betas, recipe.compile) == (
        1000,
        1e-4,
        (0.9, 0.99),
        True,
    )
    assert recipe.folders == ("a", "b") and recipe.init_from == "x=y"
    assert recipe.sparsity is not None and recipe.sparsity.target_density == 0.4
    free = with_overrides(recipe, ["sparsity.target_density=none", "sparsity.lesson_weight=0"])
    assert free.sparsity is not None and free.sparsity.target_density is None


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("step=1", "did you mean steps"),
        ("steps", "write key=value"),
        ("steps=many", "not of the type int"),
        ("steps=0", "at least 1"),
        ("lr_patch_px=15", "even"),
        ("compile=maybe", "type bool"),
        ("schedule=magic", "constant, step"),
        ("sparsity.target_density=1.5", "0..1"),
        ("sparsity.target_density=none", "a lesson needs control=threshold"),
        ("sparsity.lesson_fraction=0.5", "dense_fraction"),
        ("sparsity.lesson_fraction=0", "taught before masks start"),
        ("sparsity=1", "not of the type Sparsity"),
        ("batch.size=1", "no nested settings"),
        ("seed=-1", "seed -1 must be in"),
        ("seed=99999999999999999999", "must be in"),
        ("betas=0.9,1", "below 1"),
        ("learning_rate=inf", "positive number"),
        ("weight_decay=-1", "weight_decay"),
        ("weight_decay=nan", "weight_decay"),
        ("lr_warmup_fraction=2", "0..1"),
        ("step_at=200000,400000", "step_at .* must be shares in 0..1"),
        ("packed=.", "name of a file"),
        ("packed=images.json", "does not end in .json"),
    ],
)
def test_wrong_settings_are_refused(setting, says):
    with pytest.raises(UsageError, match=says):
        with_overrides(find_recipe("smsr_x2"), [setting])
