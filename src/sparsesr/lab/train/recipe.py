"""What fully describes a training run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """A training run. Lengths are optimiser steps, sizes are LR pixels."""

    network: str
    """Name in the registry of networks."""
    scale: int
    folders: tuple[str, ...]
    """Folders of training pictures."""
    validation: str
    """Folder of validation pictures; never benchmark pictures."""
    steps: int
    batch: int = 16
    lr_patch_px: int = 48
    learning_rate: float = 1e-3
    """Peak of the one-cycle schedule."""
    gradient_clip: float = 1.0
    sparsity_weight: float = 0.1 / 255
    """Weight of the density, relative to an L1 loss on 0..1 (the paper's 0.1 is relative to 0..255)."""
    sparsity_warmup_fraction: float = 0.1
    temperature_final: float = 0.4
    temperature_decay_fraction: float = 0.3
    freeze_channel_masks_fraction: float = 0.6
    """After this share of the steps the channel masks are made hard."""
    ema_decay: float = 0.999
    seed: int = 1
    validate_every: int = 500
    save_every: int = 250
