"""Chains of ReLU convolutions in bf16: maps and gradients against float64, reproducibility, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from bf16_bits import from_bits, rounded, to_bits
from chain_reference import F64, convolve, weight_gradient
from numpy.typing import NDArray

from sparsesr import _native as native

needs_kernels = pytest.mark.skipif(
    not native.can_train_chain(64, "bf16"), reason="no kernels for training here"
)
# Sizes around the edges of blocks (4 x 16 pixels) and of strips (pairs of 12 x 16).
SHAPES = [(1, 1, 1), (1, 4, 16), (2, 5, 17), (1, 12, 15), (3, 13, 33), (9, 2, 7), (2, 48, 48)]


class Case:
    """Random weights and maps, exact in bf16; maps are rounded as in the kernels, so that ReLU decides alike."""

    def __init__(self, shape: tuple[int, int, int], channels: int, layers: int, kept: float | None) -> None:
        rng = np.random.default_rng(0)
        size = (channels, 3, 3, channels)
        self.weights = [rounded(rng.normal(0, channels**-0.5 / 3, size)) for _ in range(layers)]
        self.x = rounded(rng.normal(size=(*shape, channels)))
        self.gradient = rounded(rng.normal(size=(*shape, layers * channels)))
        self.mask = None if kept is None else (rng.random(shape) < kept).astype(np.uint8)

    def expected(self) -> list[F64]:
        """All maps side by side, the gradient of the input, those of the weights."""
        mask = 1.0 if self.mask is None else self.mask[..., None]
        maps = [self.x]
        for weight in self.weights:
            maps.append(rounded(mask * np.maximum(convolve(maps[-1], weight), 0)))
        layers, gradients = len(self.weights), []
        parts = np.split(self.gradient, layers, axis=3)
        following: F64 | float = 0.0
        for layer in reversed(range(layers)):
            gradient = rounded((parts[layer] + following) * (maps[layer + 1] > 0))
            gradients.append(weight_gradient(gradient, maps[layer]))
            following = convolve(gradient, self.weights[layer][:, ::-1, ::-1].transpose(3, 1, 2, 0))
        return [np.concatenate(maps[1:], axis=3), np.asarray(following), *gradients[::-1]]

    def run(self, threads: int = 1) -> list[NDArray[np.generic]]:
        """The same from the kernels; maps as bits of bf16."""
        chain = native.ReluChain([w.astype(np.float32) for w in self.weights], threads)
        y, x_gradient = np.empty(self.gradient.shape, np.uint16), np.empty(self.x.shape, np.uint16)
        weights = [np.full(w.shape, np.nan, np.float32) for w in self.weights]
        maps = chain.forward(to_bits(self.x), y, threads, self.mask)
        chain.backward(maps, to_bits(self.gradient), x_gradient, weights, threads)
        return [y, x_gradient, *weights]


@needs_kernels
@pytest.mark.parametrize("kept", [None, 0.0, 0.4])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("channels", "layers"), [(32, 1), (32, 3), (64, 4)])
def test_maps_and_gradients_are_those_of_float64(
    channels: int, layers: int, shape: tuple[int, int, int], kept: float | None
) -> None:
    case = Case(shape, channels, layers, kept)
    y, x_gradient, *weights = case.run()
    found = [from_bits(y), from_bits(x_gradient), *weights]
    for value, expected in zip(found, case.expected(), strict=True):
        assert np.linalg.norm(value - expected) <= 4e-3 * np.linalg.norm(expected)
    if case.mask is not None:
        assert not y[case.mask == 0].any()


@needs_kernels
def test_bits_do_not_depend_on_threads_or_earlier_runs() -> None:
    case = Case((11, 13, 18), 64, 3, 0.5)
    first = case.run()
    Case((2, 30, 7), 64, 1, None).run()
    for threads in (1, 2, 3):
        for found, expected in zip(case.run(threads), first, strict=True):
            np.testing.assert_array_equal(found, expected)


@needs_kernels
def test_invalid_arguments_are_refused() -> None:
    weights = [np.zeros((32, 3, 3, 32), np.float32)] * 2
    x, y = np.zeros((1, 4, 4, 32), np.uint16), np.zeros((1, 4, 4, 64), np.uint16)
    chain = native.ReluChain(weights)
    maps = chain.forward(x, y)
    with pytest.raises(ValueError, match="an array per layer"):
        native.ReluChain([])
    with pytest.raises(ValueError, match="no kernels"):
        native.ReluChain([np.zeros((8, 3, 3, 8), np.float32)])
    with pytest.raises(ValueError, match="'y' must have the shape"):
        chain.forward(x, x.copy())
    with pytest.raises(ValueError, match="as many as the chain has layers"):
        chain.backward(maps, y, x, [np.zeros((32, 3, 3, 32), np.float32)])
    with pytest.raises(ValueError, match="another chain"):
        native.ReluChain(weights[:1]).backward(maps, x, x, [np.zeros((32, 3, 3, 32), np.float32)])
