"""Small SMSR networks with chosen channel masks."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sparsesr.lab.nn.smsr import SMSR, SMSRConfig

SMALL = {"channels": 8, "modules": 2, "layers": 3, "mask_channels": 4, "attention_channels": 2}
MIXED = ((3, 1, 0), (5, 2, 1))
"""Dense channels of each layer of each module."""


def small_smsr(dense: Sequence[Sequence[int]] = MIXED, seed: int = 0, **settings) -> SMSR:
    """In evaluation mode; ``dense`` channels per layer, chosen at random, are dense; masks are about half active."""
    torch.manual_seed(seed)
    module = SMSR(SMSRConfig(**{**SMALL, **settings})).eval()
    for part, counts in zip(module.mask_units(), dense, strict=True):
        with torch.no_grad():
            choose_dense(part.body.ch_mask, counts)
            for head in part.spa_mask:
                if isinstance(head, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
                    head.weight.mul_(3)
    return module


def choose_dense(ch_mask: torch.Tensor, counts: Sequence[int]) -> None:
    ch_mask[..., 0], ch_mask[..., 1] = -1.0, 1.0
    for layer, count in enumerate(counts):
        chosen = torch.randperm(ch_mask.shape[1])[:count]
        ch_mask[0, chosen, layer, 0], ch_mask[0, chosen, layer, 1] = 2.0, -2.0


def random_image(height: int = 12, width: int = 10, seed: int = 1) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))
