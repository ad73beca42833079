"""Chains of residual blocks in float64, with their gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


def taps_of(x: F64) -> list[tuple[int, int, F64]]:
    """(tap row, tap column, values that the tap reads) for each tap of a 3x3 convolution."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = x.shape[1:3]
    return [(i, j, padded[:, i : i + height, j : j + width]) for i in range(3) for j in range(3)]


def convolve(x: F64, weight: F64) -> F64:
    return sum(tap @ weight[:, i, j].T for i, j, tap in taps_of(x))  # type: ignore[return-value]


def weight_gradient(gradient: F64, x: F64) -> F64:
    """Of a convolution of x, (outputs, 3, 3, inputs), from the gradient of its result."""
    taps = np.stack([np.tensordot(gradient, tap, ((0, 1, 2),) * 2) for *_, tap in taps_of(x)])
    return taps.reshape(3, 3, *taps.shape[1:]).transpose(2, 0, 1, 3)


class ReferenceChain:
    """Blocks ``x + m b(m relu(a(x)))``; ``store`` is applied to the maps and to the weights."""

    def __init__(
        self, channels: int, blocks: int, seed: int = 0, store: Callable[[F64], F64] = lambda values: values
    ) -> None:
        self.store = store
        rng = np.random.default_rng(seed)
        shape, layers = (channels, 3, 3, channels), range(2 * blocks)
        self.weights = [rng.normal(0, channels**-0.5 / 3, shape) for _ in layers]
        self.biases = [rng.normal(0, 0.1, channels) for _ in layers]

    def forward(self, x: F64, mask: F64 | float = 1.0) -> list[F64]:
        """Input of each convolution, then the output; ``mask`` is (images, height, width, 1)."""
        maps = [x]
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            out = mask * (convolve(maps[-1], weight) + bias)
            maps.append(self.store(np.maximum(out, 0) if layer % 2 == 0 else out + maps[-2]))
        return maps

    def backward(
        self, maps: list[F64], gradient: F64, mask: F64 | float = 1.0
    ) -> tuple[F64, list[F64], list[F64]]:
        """Gradients of the input, the weights and the biases."""
        weights, biases = [], []
        skip = gradient
        for layer in reversed(range(len(self.weights))):
            gradient = mask * gradient
            weights.append(weight_gradient(gradient, maps[layer]))
            biases.append(gradient.sum((0, 1, 2)))
            gradient = convolve(gradient, self.weights[layer][:, ::-1, ::-1].transpose(3, 1, 2, 0))
            if layer % 2 == 0:
                gradient = skip = self.store(gradient + skip)
            else:
                gradient = self.store(gradient * (maps[layer] > 0))
        return gradient, weights[::-1], biases[::-1]
