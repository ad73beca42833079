"""Blind Gaussian noise on LR images: one random level per sample, redrawn every step, not clipped."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def with_blind_noise(lr_B3HW: Tensor, sigma_max: float, key: tuple[int, ...]) -> Tensor:
    """Add Gaussian noise to images in 0..1; each gets a standard deviation drawn from 0..``sigma_max`` (of 255).

    The draw depends only on ``key`` (such as seed, step and process) and the device type.
    """
    device = lr_B3HW.device
    generator = torch.Generator(device)
    generator.manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1)))
    sigma_B111 = torch.rand(len(lr_B3HW), 1, 1, 1, device=device, generator=generator) * (sigma_max / 255)
    return lr_B3HW + sigma_B111 * torch.randn(lr_B3HW.shape, device=device, generator=generator)
