"""A tiny network and a recipe for it, so that training takes seconds."""

from __future__ import annotations

from pathlib import Path

from sparsesr.lab.nn.acnet import ACNet, ACNetConfig
from sparsesr.lab.nn.registry import NETWORKS
from sparsesr.lab.nn.smsr import SMSR, SMSRConfig
from sparsesr.lab.train.enlarging_recipe import EnlargingRecipe
from sparsesr.lab.train.recipe import Sparsity
from training_images import write_images


def tiny() -> SMSR:
    return SMSR(
        SMSRConfig(channels=8, modules=2, layers=2, mask_channels=4, attention_channels=2, value_range=1)
    )


def tiny_recipe(folder: Path, **settings) -> EnlargingRecipe:
    """Needs ``tiny_x2`` in the registry (see the fixture ``recipe``); writes its images into ``folder``."""
    write_images(folder / "photos", 3)
    write_images(folder / "val", 2)
    standard = {
        "network": "tiny_x2",
        "scale": 2,
        "steps": 60,
        "folders": (str(folder / "photos"),),
        "validation": str(folder / "val"),
        "batch": 2,
        "lr_patch_px": 16,
        "learning_rate": 5e-3,
        "sparsity": Sparsity(
            target_density=0.6, dense_fraction=0.2, warmup_fraction=0.2, freeze_fraction=0.7
        ),
        "log_every": 1,
        "validate_every": 30,
        "save_every": 5,
    }
    return EnlargingRecipe(**{**standard, **settings})


def register() -> None:
    NETWORKS["tiny_x2"] = tiny


def quiet(line: str) -> None:
    pass


def tiny_acnet(*scales: int) -> ACNet:
    return ACNet(ACNetConfig(scales, channels=6, layers=3))


def acnet_recipe(folder: Path, *scales: int, **settings) -> EnlargingRecipe:
    """A recipe without masks; registers its network."""
    NETWORKS["tiny_acnet"] = lambda: tiny_acnet(*scales)
    several = {"scales": scales} if len(scales) > 1 else {}
    return tiny_recipe(
        folder, network="tiny_acnet", scale=scales[0], sparsity=None, **{"steps": 12, **several, **settings}
    )
