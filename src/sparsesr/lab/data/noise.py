"""Noise on small pictures in training: a level of its own for every sample, fresh in every step, not clipped."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def with_blind_noise(lr_B3HW: Tensor, sigma_max: float, key: tuple[int, ...]) -> Tensor:
    """Add Gaussian noise to pictures in 0..1, each with a level drawn evenly from 0..``sigma_max`` (of 255).

    What is drawn depends on ``key`` alone (such as seed, step and process), and on the kind of device.
    """
    device = lr_B3HW.device
    generator = torch.Generator(device)
    generator.manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1)))
    sigma_B111 = torch.rand(len(lr_B3HW), 1, 1, 1, device=device, generator=generator) * (sigma_max / 255)
    return lr_B3HW + sigma_B111 * torch.randn(lr_B3HW.shape, device=device, generator=generator)
