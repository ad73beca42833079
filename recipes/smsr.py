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
        # In so short a run the paper's weight of the sparsity loss (0.1 on a 0..255 scale) closed every spatial mask
        # within 600 steps, and a closed mask gets no gradient to open again: a fifth of it, warmed up slowly.
        learning_rate=1.5e-3,
        sparsity_weight=0.02 / 255,
        sparsity_warmup_fraction=0.4,
        ema_decay=0.98,
    )
