"""Recipes for SMSR. Folders are given by the caller: the project ships no training pictures."""

from __future__ import annotations

from pathlib import Path

from sparsesr.lab.train.recipe import Recipe


def smsr_s_x2_short(pictures: Path, steps: int = 5000) -> Recipe:
    """A narrow SMSR (32 channels) trained in an hour on two processor cores; short of convergence by design.

    ``pictures`` holds ``train/photos``, ``train/frames`` and ``val``.
    """
    return Recipe(
        network="smsr_s_x2",
        scale=2,
        folders=(str(pictures / "train/photos"), str(pictures / "train/frames")),
        validation=str(pictures / "val"),
        steps=steps,
        batch=8,
        lr_patch_px=48,
        learning_rate=2e-3,
    )
