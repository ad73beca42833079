"""The recipe of a fine-tuning that prunes: that of the network, from trained weights, at a lower rate."""

from __future__ import annotations

from dataclasses import replace

from sparsesr.lab.recipes.find import RECIPES
from sparsesr.lab.sparsity.balance import Balance
from sparsesr.lab.train.enlarging_recipe import EnlargingRecipe
from sparsesr.lab.train.recipe import Pruning, Sparsity

STEPS = 2000
_RATE = 0.25
"""Learning rate relative to the recipe's: the weights are trained, but many of them are gone."""
_DENSITY = 0.5


def pruning_recipe(
    network: str, scale: int, start: str, balance: Balance, has_masks: bool, model: str = ""
) -> EnlargingRecipe:
    """Prune ``network``, which starts from the model file ``start``, and keep its masks.

    The other settings, such as degradations and the target density, are those of the recipe named like the model
    ``model``, if that is one for ``network``, else of the one named like the network; without either, defaults.
    """
    base = _recipe_of(network, model) or EnlargingRecipe(network, STEPS, scale=scale)
    return replace(
        base,
        steps=STEPS,
        init_from=start,
        schedule="cosine",
        lr_decay_steps=0,
        lr_warmup_fraction=0.05,
        learning_rate=_RATE * base.learning_rate,
        ema_decay=0.99,
        sparsity=_kept_masks(base.sparsity or Sparsity()) if has_masks else None,
        pruning=Pruning(balance.keep, balance.block),
    )


def _recipe_of(network: str, model: str) -> EnlargingRecipe | None:
    for name in (model, network):
        found = RECIPES[name]() if name in RECIPES else None
        if isinstance(found, EnlargingRecipe) and found.network == network:
            return found
    return None


def _kept_masks(trained: Sparsity) -> Sparsity:
    """Masks as they are, trained further: hard from the first step, channel masks fixed."""
    return replace(
        trained,
        target_density=trained.target_density or _DENSITY,
        control="threshold",
        keep_masks=True,
        dense_fraction=0.0,
        lesson_fraction=0.0,
        freeze_fraction=0.0,
        hard_fraction=0.0,
    )
