"""Chains of residual blocks in bf16: outputs and gradients against float64, reproducibility, and refusals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from bf16_bits import from_bits, rounded, to_bits
from chain_reference import F64, ReferenceChain
from numpy.typing import NDArray

from sparsesr import _native as native

needs_kernels = pytest.mark.skipif(
    not native.can_train_chain(64, "bf16"), reason="no kernels for training here"
)
# Sizes around the edges of blocks (4 x 16 pixels) and of strips (pairs of 12 x 16).
SHAPES = [(1, 1, 1), (1, 4, 16), (2, 5, 17), (1, 12, 15), (3, 13, 33), (1, 3, 50), (9, 2, 7), (2, 48, 48)]


class Chain(ReferenceChain):
    """Weights are exact in bf16, so kernels and float64 have the same."""

    def __init__(
        self, channels: int, blocks: int, seed: int = 0, store: Callable[[F64], F64] = lambda values: values
    ) -> None:
        super().__init__(channels, blocks, seed, store)
        self.weights, self.biases = ([rounded(v) for v in values] for values in (self.weights, self.biases))

    def native(self, threads: int = 1) -> native.ResidualChain:
        narrow = [[value.astype(np.float32) for value in values] for values in (self.weights, self.biases)]
        return native.ResidualChain(*narrow, threads)


def run(
    chain: Chain, x: F64, gradient: F64, threads: int = 1
) -> list[NDArray[np.float32] | NDArray[np.uint16]]:
    """Output and input gradient as bits, then the gradients of weights and biases."""
    packed = chain.native(threads)
    y, x_gradient = (np.empty(x.shape, np.uint16) for _ in range(2))
    weights = [np.full(w.shape, np.nan, np.float32) for w in chain.weights]
    biases = [np.full(b.shape, np.nan, np.float32) for b in chain.biases]
    maps = packed.forward(to_bits(x), y, threads)
    packed.backward(maps, to_bits(gradient), x_gradient, weights, biases, threads)
    return [y, x_gradient, *weights, *biases]


def make_batch(shape: tuple[int, int, int], channels: int) -> tuple[F64, F64]:
    rng = np.random.default_rng(1)
    return rounded(rng.normal(size=(*shape, channels))), rounded(rng.normal(size=(*shape, channels)))


def assert_near(found: NDArray[np.generic], expected: F64, error: float) -> None:
    """Relative error of the array as a whole."""
    assert np.linalg.norm(found.astype(np.float64) - expected) <= error * np.linalg.norm(expected)


def assert_as_in_float64(chain: Chain, x: F64, gradient: F64, *, output_error: float) -> None:
    y, x_gradient, *others = run(chain, x, gradient)
    maps = chain.forward(x)
    expected_x, expected_weights, expected_biases = chain.backward(maps, gradient)
    assert_near(from_bits(y), maps[-1], output_error)
    assert_near(from_bits(x_gradient), expected_x, 3e-3)
    for found, expected in zip(others, [*expected_weights, *expected_biases], strict=True):
        assert_near(found, expected, 3e-3)


@needs_kernels
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("channels", [32, 64])
def test_block__has_the_gradients_of_float64(channels: int, shape: tuple[int, int, int]) -> None:
    assert_as_in_float64(Chain(channels, 1), *make_batch(shape, channels), output_error=3e-3)


@needs_kernels
def test_chain__has_the_gradients_of_float64() -> None:
    """Maps are rounded as in the kernels: otherwise some features end up on the other side of a ReLU."""
    assert_as_in_float64(Chain(32, 4, store=rounded), *make_batch((3, 20, 24), 32), output_error=2e-3)


@needs_kernels
@pytest.mark.parametrize("channels", [32, 64])
def test_bits_do_not_depend_on_threads_or_earlier_runs(channels: int) -> None:
    chain, batch = Chain(channels, 2), make_batch((11, 13, 18), channels)
    first = run(chain, *batch)
    run(Chain(channels, 1, seed=5), *make_batch((2, 30, 7), channels), threads=2)
    for threads in (1, 2, 3):
        for found, expected in zip(run(chain, *batch, threads), first, strict=True):
            np.testing.assert_array_equal(found, expected)


@needs_kernels
def test_an_image_does_not_depend_on_the_others() -> None:
    chain, (x, gradient) = Chain(64, 2), make_batch((3, 9, 21), 64)
    y, x_gradient, *_ = run(chain, x, gradient)
    for i in range(3):
        alone = run(chain, x[i : i + 1], gradient[i : i + 1])
        np.testing.assert_array_equal(alone[0][0], y[i])
        np.testing.assert_array_equal(alone[1][0], x_gradient[i])


@needs_kernels
def test_one_forward_pass_allows_several_backward_passes() -> None:
    chain, (x, gradient) = Chain(32, 1), make_batch((2, 6, 6), 32)
    packed, y = chain.native(), np.empty(x.shape, np.uint16)
    maps = packed.forward(to_bits(x), y)
    found = []
    for _ in range(2):
        weights = [np.empty(w.shape, np.float32) for w in chain.weights]
        biases = [np.empty(b.shape, np.float32) for b in chain.biases]
        packed.backward(maps, to_bits(gradient), np.empty_like(y), weights, biases)
        found.append(weights)
    for first, second in zip(*found, strict=True):
        np.testing.assert_array_equal(first, second)


@needs_kernels
def test_invalid_arguments_are_refused() -> None:
    chain = Chain(32, 1)
    weights = [w.astype(np.float32) for w in chain.weights]
    biases = [b.astype(np.float32) for b in chain.biases]
    with pytest.raises(ValueError, match="two arrays per block"):
        native.ResidualChain(weights[:1], biases[:1])
    with pytest.raises(ValueError, match="as many as"):
        native.ResidualChain(weights, biases[:1])
    with pytest.raises(ValueError, match="one value per channel"):
        native.ResidualChain(weights, [biases[0], biases[1][:5]])
    with pytest.raises(ValueError, match="must have the shape"):
        native.ResidualChain([weights[0], weights[1][:, :2].copy()], biases)
    with pytest.raises(ValueError, match="no kernels"):
        native.ResidualChain([np.zeros((8, 3, 3, 8), np.float32)] * 2, [np.zeros(8, np.float32)] * 2)
    packed, x = chain.native(), np.zeros((1, 4, 4, 32), np.uint16)
    with pytest.raises(ValueError, match="must have the shape"):
        packed.forward(np.zeros((1, 4, 4, 64), np.uint16), x)
    with pytest.raises(ValueError, match="'y' must have the shape"):
        packed.forward(x, np.zeros((1, 4, 5, 32), np.uint16))
    with pytest.raises(ValueError, match="uint16"):
        packed.forward(x.astype(np.float32), x)
    maps = packed.forward(x, x.copy())
    with pytest.raises(ValueError, match="another chain"):
        Chain(64, 1).native().backward(maps, x, x.copy(), weights, biases)
    with pytest.raises(ValueError, match="as many as the chain has layers"):
        packed.backward(maps, x, x.copy(), weights[:1], biases[:1])


def test_can_train_chain__depends_on_channels_and_instruction_set(isa: str) -> None:
    assert native.can_train_chain(64, "bf16") == native.can_train_chain(32, "bf16") == (isa == "amx")
    assert not native.can_train_chain(48, "bf16")


@needs_kernels
@pytest.mark.parametrize("shape", SHAPES)
def test_what_memory_held_before_does_not_matter(shape: tuple[int, int, int]) -> None:
    """Kernels read beyond the last row of a map. Here all memory that the next run may be given is full of NaN."""
    chain, batch = Chain(32, 1), make_batch(shape, 32)
    spoiled = to_bits(np.full((1, 118, 118, 32), np.nan))
    packed = chain.native()
    spoiled_maps = [packed.forward(spoiled, np.empty_like(spoiled)) for _ in range(6)]
    del spoiled_maps
    for found in run(chain, *batch)[2:]:
        assert np.isfinite(found).all()
