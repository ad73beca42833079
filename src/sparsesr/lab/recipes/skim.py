"""Recipes for Skim. The caller gives the folders: the project ships no training images.

First train a trunk without masks for as long as time allows: its learning rate is constant, so the run can be extended.
Then a short run starts from it (``init_from``), learns the masks and decays. Networks for x3 and x4 start from the one
for x2, whose trunk and masks they keep.
"""

from __future__ import annotations

from dataclasses import replace

from sparsesr.lab.recipes.acnet import SIGMA_MAX
from sparsesr.lab.train.enlarging_recipe import EnlargingRecipe
from sparsesr.lab.train.recipe import Sparsity

# On the training patches, which are more detailed than most images: the bundled fast network keeps 0.50 of the
# validation images. Mask heads see only the image, so the lesson needs no trained trunk and starts at the first step.
_MASKS = Sparsity(
    target_density=0.64,
    control="threshold",
    weight=0.0,
    dense_fraction=0.1,
    lesson_weight=10.0,
    lesson_fraction=0.1,
    warmup_fraction=0.1,
    hard_fraction=0.1,
    straight_through=False,
)
_BEST_DENSITY = 0.76


def skim_fast_dense_x2() -> EnlargingRecipe:
    """The trunk of the fast network, without masks."""
    return EnlargingRecipe(
        network="skim_fast_dense_x2",
        scale=2,
        steps=300_000,
        batch=8,
        lr_patch_px=48,
        patch_candidates=6,
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
    return replace(
        skim_fast_x2(), network="skim_best_x2", sparsity=replace(_MASKS, target_density=_BEST_DENSITY)
    )


def skim_fast_x3() -> EnlargingRecipe:
    """The fast network for x3; starts from the bundled one for x2."""
    return _continued(skim_fast_x2(), 3)


def skim_fast_x4() -> EnlargingRecipe:
    """The fast network for x4; starts from the bundled one for x2."""
    return _continued(skim_fast_x2(), 4)


def skim_best_x3() -> EnlargingRecipe:
    """The best network for x3; starts from the bundled one for x2."""
    return _continued(skim_best_x2(), 3)


def skim_best_x4() -> EnlargingRecipe:
    """The best network for x4; starts from the bundled one for x2."""
    return _continued(skim_best_x2(), 4)


def photo_x2() -> EnlargingRecipe:
    """For everyday photographs, compressed and resized; starts from the bundled best network."""
    return _for_photographs(skim_best_x2())


def photo_x3() -> EnlargingRecipe:
    """The same for x3."""
    return _for_photographs(skim_best_x3())


def photo_x4() -> EnlargingRecipe:
    """The same for x4."""
    return _for_photographs(skim_best_x4())


def noise_x2() -> EnlargingRecipe:
    """Upscaling x2 and removal of noise of unknown level, up to a standard deviation of 55 of 255.

    Starts from the bundled best network, without its mask: noise is everywhere, so every pixel needs the work.
    """
    return replace(
        skim_best_dense_x2(),
        init_from="skim_best_x2",
        steps=20_000,
        lr_decay_steps=20_000,
        loss="psnr",
        noise_sigma_max=SIGMA_MAX,
        validation_sigma=25.0,
    )


def _for_photographs(clean: EnlargingRecipe) -> EnlargingRecipe:
    """From the bundled network of the recipe ``clean``, with degraded LR patches; masks go on as they are."""
    return replace(_continued(clean, clean.scale), degradation="photo")


def _continued(start: EnlargingRecipe, scale: int) -> EnlargingRecipe:
    """From the bundled network of the recipe ``start``, for another scale or other images; masks go on as they are."""
    masks = start.sparsity or _MASKS
    return replace(
        start,
        network=start.network.replace("_x2", f"_x{scale}"),
        scale=scale,
        init_from=start.network,
        sparsity=replace(masks, keep_masks=True, dense_fraction=0.0, lesson_fraction=0.0, hard_fraction=0.0),
    )


RECIPES = {
    recipe.__name__: recipe
    for recipe in (
        skim_fast_dense_x2,
        skim_best_dense_x2,
        skim_fast_x2,
        skim_best_x2,
        skim_fast_x3,
        skim_best_x3,
        skim_fast_x4,
        skim_best_x4,
        photo_x2,
        photo_x3,
        photo_x4,
        noise_x2,
    )
}
