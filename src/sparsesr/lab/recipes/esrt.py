"""Recipes for ESRT, based on the authors' training code. The caller gives the folders.

Two things differ as in all recipes: the average of the weights is validated and exported (``ema_decay``) instead of the
last ones, and images are drawn with replacement, in proportion to their area, instead of in shuffled turns.
"""

from __future__ import annotations

from dataclasses import replace

from sparsesr.lab.train.enlarging_recipe import EnlargingRecipe

_NO_CLIPPING = 1e9


def esrt_x2() -> EnlargingRecipe:
    """The authors' run: 500,000 steps, batch 16, patches of 48x48, Adam, 2e-4 halved four times."""
    return EnlargingRecipe(
        network="esrt_x2",
        scale=2,
        steps=500_000,
        batch=16,
        lr_patch_px=48,
        learning_rate=2e-4,
        schedule="step",
        step_at=(0.2, 0.4, 0.6, 0.8),
        lr_warmup_fraction=0.0,
        gradient_clip=_NO_CLIPPING,
    )


def esrt_x3() -> EnlargingRecipe:
    """As ``esrt_x2``; starting from its weights (``init_from``) shortens the run."""
    return replace(esrt_x2(), network="esrt_x3", scale=3)


def esrt_x4() -> EnlargingRecipe:
    """As ``esrt_x2``; starting from its weights (``init_from``) shortens the run."""
    return replace(esrt_x2(), network="esrt_x4", scale=4)


def esrt_x2_short() -> EnlargingRecipe:
    """For a day on a few processor cores: small batches, one cycle at a higher rate."""
    return EnlargingRecipe(
        network="esrt_x2",
        scale=2,
        steps=40_000,
        batch=4,
        lr_patch_px=32,
        learning_rate=6e-4,
        schedule="one_cycle",
        validate_every=500,
    )


RECIPES = {recipe.__name__: recipe for recipe in (esrt_x2, esrt_x3, esrt_x4, esrt_x2_short)}
