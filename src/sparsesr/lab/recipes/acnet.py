"""Recipes for ACNet with the settings of the authors' code: L2 loss, patches of 64, learning rate halved once.

Two things differ as in all recipes: the average of the weights is validated and exported (``ema_decay``) instead of the
last ones, and images are drawn with replacement, in proportion to their area, instead of one patch of each in turns.

These are for a GPU. ``acnet_noise_x2_short`` has the project's own settings, for a few hours on a few processor cores.
The caller gives the folders: the project ships no training images.
"""

from __future__ import annotations

from dataclasses import replace

from sparsesr.lab.train.enlarging_recipe import EnlargingRecipe

SIGMA_MAX = 55.0


def acnet_x2() -> EnlargingRecipe:
    """The paper's network for x2."""
    return EnlargingRecipe(
        network="acnet_x2",
        scale=2,
        steps=660_000,
        batch=16,
        lr_patch_px=64,
        loss="l2",
        learning_rate=1e-4,
        schedule="step",
        step_at=(0.606,),
        lr_warmup_fraction=0.0,
        gradient_clip=10.0,
    )


def acnet_x3() -> EnlargingRecipe:
    """The paper's network for x3."""
    return replace(acnet_x2(), network="acnet_x3", scale=3)


def acnet_x4() -> EnlargingRecipe:
    """The paper's network for x4."""
    return replace(acnet_x2(), network="acnet_x4", scale=4)


def acnet_multi() -> EnlargingRecipe:
    """One network for x2, x3 and x4; each step trains a random scale."""
    return replace(acnet_x2(), network="acnet_multi", scales=(2, 3, 4), batch=8)


def acnet_noise_x2() -> EnlargingRecipe:
    """Upscaling x2 and removal of noise of unknown level, up to a standard deviation of 55 of 255."""
    return replace(acnet_x2(), network="acnet_noise_x2", noise_sigma_max=SIGMA_MAX, validation_sigma=25.0)


def acnet_noise_x2_short() -> EnlargingRecipe:
    """The same for a few hours on a few processor cores: small batches, one cycle at a higher rate."""
    return replace(
        acnet_noise_x2(),
        steps=20_000,
        batch=4,
        lr_patch_px=32,
        learning_rate=5e-4,
        schedule="one_cycle",
        lr_warmup_fraction=0.05,
        gradient_clip=1.0,
    )


RECIPES = {
    recipe.__name__: recipe
    for recipe in (acnet_x2, acnet_x3, acnet_x4, acnet_multi, acnet_noise_x2, acnet_noise_x2_short)
}
