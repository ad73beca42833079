"""Recipes for SMSR. The caller gives the folders: the project ships no training images."""

from __future__ import annotations

from dataclasses import replace

from sparsesr.lab.train.enlarging_recipe import EnlargingRecipe
from sparsesr.lab.train.recipe import Sparsity


def smsr_x2() -> EnlargingRecipe:
    """The paper's network (64 channels): 30 % of the run dense, then masks down to the paper's density of 0.51."""
    return EnlargingRecipe(
        network="smsr_x2",
        scale=2,
        steps=300_000,
        batch=16,
        lr_patch_px=64,
        learning_rate=5e-4,
        betas=(0.9, 0.99),
        sparsity=Sparsity(
            target_density=0.51,
            control="threshold",
            most_dense=0.12,
            dense_fraction=0.3,
            lesson_weight=10.0,
            lesson_fraction=0.01,
            warmup_fraction=0.2,
            temperature_fraction=0.2,
            freeze_fraction=0.6,
            hard_fraction=0.65,
        ),
    )


def smsr_x3() -> EnlargingRecipe:
    """Starts from ``smsr_x2`` (set ``init_from`` to its checkpoint) with its body and masks."""
    return _from_x2(3, target_density=0.61)


def smsr_x4() -> EnlargingRecipe:
    """Starts from ``smsr_x2`` (set ``init_from`` to its checkpoint) with its body and masks."""
    return _from_x2(4, target_density=0.67)


def _from_x2(scale: int, target_density: float) -> EnlargingRecipe:
    sparsity = Sparsity(
        target_density=target_density,
        control="threshold",
        most_dense=0.12,
        lesson_weight=10.0,
        keep_masks=True,
        temperature_fraction=0.0,
        freeze_fraction=0.3,
        hard_fraction=0.3,
    )
    return replace(
        smsr_x2(), network=f"smsr_x{scale}", scale=scale, steps=150_000, lr_patch_px=48, sparsity=sparsity
    )


def smsr_s_x2() -> EnlargingRecipe:
    """A narrow SMSR (32 channels, a quarter of the multiply-adds), for a few hours on a few processor cores.

    Masks are hard from the start and no channel is dense, so a masked step costs little more than a dense one.
    """
    return EnlargingRecipe(
        network="smsr_s_x2",
        scale=2,
        steps=12_000,
        batch=8,
        lr_patch_px=48,
        learning_rate=8e-4,
        betas=(0.9, 0.99),
        sparsity=Sparsity(
            target_density=0.4,
            control="threshold",
            dense_fraction=0.35,
            lesson_weight=10.0,
            lesson_fraction=0.03,
            warmup_fraction=0.13,
            freeze_fraction=0.35,
            hard_fraction=0.35,
        ),
    )


RECIPES = {recipe.__name__: recipe for recipe in (smsr_x2, smsr_x3, smsr_x4, smsr_s_x2)}
