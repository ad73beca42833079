"""Chains of ReLU convolutions: maps and gradients against float64, reproducibility, and refusals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from bf16_bits import from_bits, rounded, to_bits
from chain_reference import F64, convolve, weight_gradient
from numpy.typing import NDArray

from sparsesr import _native as native

# Sizes around the edges of blocks (4 x 16 pixels) and of strips (pairs of 12 x 16).
SHAPES = [(1, 1, 1), (1, 4, 16), (2, 5, 17), (1, 12, 15), (3, 13, 33), (9, 2, 7), (2, 48, 48)]


@dataclass(frozen=True)
class Kernels:
    """Those of a type, and how it holds values."""

    dtype: str
    chain: type[native.ReluChain] | type[native.WinogradReluChain]
    rounded: Callable[[F64], F64]
    to: Callable[[F64], NDArray[np.generic]]
    back: Callable[[NDArray[np.generic]], F64]
    error: float

    def empty(self, shape: tuple[int, ...]) -> NDArray[np.generic]:
        return self.to(np.full(shape, np.nan))


def narrow(values: F64) -> NDArray[np.float32]:
    return values.astype(np.float32)


def widen(values: NDArray[np.generic]) -> F64:
    return values.astype(np.float64)


BF16 = Kernels("bf16", native.ReluChain, rounded, to_bits, from_bits, 4e-3)
F32 = Kernels("f32", native.WinogradReluChain, lambda v: widen(narrow(v)), narrow, widen, 2e-5)


@pytest.fixture(params=[BF16, F32], ids=lambda kernels: kernels.dtype)
def kernels(request: pytest.FixtureRequest) -> Kernels:
    if not native.can_train_chain(64, request.param.dtype):
        pytest.skip("no kernels for training here")
    return request.param


class Case:
    """Random weights and maps that the type holds; maps are rounded as in the kernels, so that ReLU decides alike."""

    def __init__(
        self, kernels: Kernels, shape: tuple[int, int, int], channels: int, layers: int, kept: float | None
    ) -> None:
        self.kernels = kernels
        rng = np.random.default_rng(0)
        size = (channels, 3, 3, channels)
        self.weights = [kernels.rounded(rng.normal(0, channels**-0.5 / 3, size)) for _ in range(layers)]
        self.x = kernels.rounded(rng.normal(size=(*shape, channels)))
        self.gradient = kernels.rounded(rng.normal(size=(*shape, layers * channels)))
        self.mask = None if kept is None else (rng.random(shape) < kept).astype(np.uint8)

    def expected(self, y: F64) -> list[F64]:
        """All maps side by side, the gradient of the input, those of the weights.

        Where a feature is nearly zero, rounding decides whether it has a gradient: as in the maps ``y`` of the kernels.
        """
        rounded = self.kernels.rounded
        mask = 1.0 if self.mask is None else self.mask[..., None]
        maps = [self.x]
        for weight in self.weights:
            maps.append(rounded(mask * np.maximum(convolve(maps[-1], weight), 0)))
        layers, gradients = len(self.weights), []
        parts, results = (np.split(each, layers, axis=3) for each in (self.gradient, y))
        following: F64 | float = 0.0
        for layer in reversed(range(layers)):
            gradient = rounded((parts[layer] + following) * (results[layer] > 0))
            gradients.append(weight_gradient(gradient, maps[layer]))
            following = convolve(gradient, self.weights[layer][:, ::-1, ::-1].transpose(3, 1, 2, 0))
        return [np.concatenate(maps[1:], axis=3), np.asarray(following), *gradients[::-1]]

    def run(self, threads: int = 1) -> list[NDArray[np.generic]]:
        """The same from the kernels; maps as they hold them."""
        chain = self.kernels.chain([narrow(w) for w in self.weights], threads)
        y, x_gradient = self.kernels.empty(self.gradient.shape), self.kernels.empty(self.x.shape)
        weights = [np.full(w.shape, np.nan, np.float32) for w in self.weights]
        maps = chain.forward(self.kernels.to(self.x), y, threads, self.mask)
        chain.backward(maps, self.kernels.to(self.gradient), x_gradient, weights, threads)
        return [y, x_gradient, *weights]


@pytest.mark.parametrize("kept", [None, 0.0, 0.4])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("channels", "layers"), [(32, 1), (32, 3), (64, 4)])
def test_maps_and_gradients_are_those_of_float64(
    kernels: Kernels, channels: int, layers: int, shape: tuple[int, int, int], kept: float | None
) -> None:
    case = Case(kernels, shape, channels, layers, kept)
    y, x_gradient, *weights = case.run()
    found = [kernels.back(y), kernels.back(x_gradient), *weights]
    for value, expected in zip(found, case.expected(found[0]), strict=True):
        assert np.linalg.norm(value - expected) <= kernels.error * np.linalg.norm(expected)
    if case.mask is not None:
        assert not y[case.mask == 0].any()


def test_bits_do_not_depend_on_threads_or_earlier_runs(kernels: Kernels) -> None:
    case = Case(kernels, (11, 13, 18), 64, 3, 0.5)
    first = case.run()
    Case(kernels, (2, 30, 7), 64, 1, None).run()
    for threads in (1, 2, 3):
        for found, expected in zip(case.run(threads), first, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_invalid_arguments_are_refused(kernels: Kernels) -> None:
    weights = [np.zeros((32, 3, 3, 32), np.float32)] * 2
    x, y = (kernels.to(np.zeros((1, 4, 4, channels))) for channels in (32, 64))
    chain = kernels.chain(weights)
    maps = chain.forward(x, y)
    with pytest.raises(ValueError, match="an array per layer"):
        kernels.chain([])
    with pytest.raises(ValueError, match="no kernels"):
        kernels.chain([np.zeros((8, 3, 3, 8), np.float32)])
    with pytest.raises(ValueError, match="'y' must have the shape"):
        chain.forward(x, x.copy())
    with pytest.raises(ValueError, match="as many as the chain has layers"):
        chain.backward(maps, y, x, [np.zeros((32, 3, 3, 32), np.float32)])
    with pytest.raises(ValueError, match="another chain"):
        kernels.chain(weights[:1]).backward(maps, x, x, [np.zeros((32, 3, 3, 32), np.float32)])
