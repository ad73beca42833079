"""A tiny SMSR whose inner layers are wide enough to be pruned, and short runs that prune it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from lab.training_runs import quiet, tiny_recipe
from sparsesr.lab.nn.smsr import SMSR, SMSRConfig
from sparsesr.lab.recipes.pruning import pruning_recipe
from sparsesr.lab.sparsity.balance import Balance
from sparsesr.lab.train.ending import Ending
from sparsesr.lab.train.loop import Outcome, train
from sparsesr.lab.train.recipe import Pruning, Recipe

PRUNED = ["head.2", "body.0.body.body.0", "body.0.body.body.1", "body.0.body.collect"]
PRUNED += [name.replace("body.0", "body.1", 1) for name in PRUNED[1:]] + ["collect.0", "collect.2"]


def narrow() -> SMSR:
    torch.manual_seed(3)
    network = SMSR(
        SMSRConfig(channels=16, modules=2, layers=2, mask_channels=4, attention_channels=2, value_range=1)
    )
    for unit in network.mask_units():
        unit.body.fix_dense((3, 1))
    return network


def narrow_recipe(folder: Path, **pruning) -> Recipe:
    """Twelve steps that prune ``narrow``, which must be registered as ``narrow_x2``."""
    torch.save(narrow().state_dict(), folder / "narrow.pt")
    plain = tiny_recipe(folder, network="narrow_x2", steps=12, init_from=str(folder / "narrow.pt"))
    masked = pruning_recipe("narrow_x2", 2, "", Balance(4, 16), has_masks=True).sparsity
    return replace(plain, sparsity=masked, pruning=Pruning(**{"events": 4, "refit": 2, **pruning}))


def run(recipe: Recipe, folder: Path, **settings) -> Outcome:
    ending = Ending(should_stop=settings.pop("should_stop", lambda: False))
    return train(recipe, folder, ending=ending, device="cpu", threads=1, report=quiet, **settings)
