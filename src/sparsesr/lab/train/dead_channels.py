"""Hidden channels of residual blocks that are zero at every pixel: ReLU passes no gradient, so they stay so."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from sparsesr.lab.nn.layers.residual_block import ResidualBlock


class HiddenChannels:
    """Collects which hidden channels of a network's residual blocks were ever positive."""

    def __init__(self, network: nn.Module) -> None:
        self.layers = [module.a for module in network.modules() if isinstance(module, ResidualBlock)]
        self._alive = {layer: torch.zeros(layer.out_channels, dtype=torch.bool) for layer in self.layers}

    @contextmanager
    def watched(self) -> Generator[None, None, None]:
        """Observe the forward passes of the block."""
        handles = [layer.register_forward_hook(self._observe) for layer in self.layers]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def alive(self) -> Tensor:
        """1.0 for every channel that was positive somewhere, else 0.0; of all layers in sequence, float64."""
        return torch.cat([torch.zeros(0, dtype=torch.bool), *self._alive.values()]).double()

    def _observe(self, layer: Any, _: Any, output_BCHW: Tensor) -> None:
        self._alive[layer] |= (output_BCHW > 0).any(3).any(2).any(0).cpu()
