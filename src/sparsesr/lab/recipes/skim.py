"""Recipes for Skim. The caller gives the folders: the project ships no training images.

First train a trunk without masks for as long as time allows: its learning rate is constant, so the run can be extended.
Then a short run starts from it (``init_from``), learns the masks and decays.
"""

from __future__ import annotations

from dataclasses import replace

from sparsesr.lab.train.enlarging_recipe import EnlargingRecipe
from sparsesr.lab.train.recipe import Sparsity

# Mask heads see only the image, so the lesson needs no trained trunk and starts at the first step.
_MASKS = Sparsity(
    target_density=0.4,
    control="threshold",
    weight=0.0,
    dense_fraction=0.1,
    lesson_weight=10.0,
    lesson_fraction=0.1,
    warmup_fraction=0.1,
    hard_fraction=0.1,
    straight_through=False,
)


def skim_fast_dense_x2() -> EnlargingRecipe:
    """The trunk of the fast network, without masks."""
    return EnlargingRecipe(
        network="skim_fast_dense_x2",
        scale=2,
        steps=300_000,
        batch=16,
        lr_patch_px=48,
        patch_candidates=4,
        optimizer="muon",
        learning_rate=1e-3,  # at 3e-3, whole blocks die
        weight_decay=0.1,
        betas=(0.9, 0.99),
        schedule="wsd",
        lr_warmup_fraction=0.001,
        lr_decay_steps=30_000,
        log_every=200,
        validate_every=2000,
        save_every=1000,
    )


def skim_best_dense_x2() -> EnlargingRecipe:
    """The trunk of the best network, without masks."""
    return replace(skim_fast_dense_x2(), network="skim_best_dense_x2")


def skim_fast_x2() -> EnlargingRecipe:
    """Masks and decay for the fast network; set ``init_from`` to its trunk."""
    return replace(
        skim_fast_dense_x2(), network="skim_fast_x2", steps=30_000, lr_decay_steps=20_000, sparsity=_MASKS
    )


def skim_best_x2() -> EnlargingRecipe:
    """Masks and decay for the best network; set ``init_from`` to its trunk."""
    return replace(skim_fast_x2(), network="skim_best_x2")


def photo_x2() -> EnlargingRecipe:
    """For everyday photographs, compressed and resized; set ``init_from`` to the best network."""
    kept = replace(_MASKS, keep_masks=True, dense_fraction=0.0, lesson_fraction=0.0, hard_fraction=0.0)
    return replace(skim_best_x2(), degradation="photo", learning_rate=1e-3, sparsity=kept)


RECIPES = {
    recipe.__name__: recipe
    for recipe in (skim_fast_dense_x2, skim_best_dense_x2, skim_fast_x2, skim_best_x2, photo_x2)
}
