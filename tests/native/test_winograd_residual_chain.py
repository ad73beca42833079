"""Chains of residual blocks in fp32, trained by Winograd's convolutions: gradients, reproducibility, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from chain_reference import F64, ReferenceChain
from guard_pages import guarded_copy
from numpy.typing import NDArray

from sparsesr import _native as native

F32 = NDArray[np.float32]
# Around the edges of tiles (4 x 4 pixels), and of what is computed at once (24 tiles).
SHAPES = [(1, 1, 1), (1, 2, 13), (2, 5, 17), (3, 4, 24), (9, 3, 7), (1, 21, 26)]


def narrow(values: F64) -> F32:
    return values.astype(np.float32)


def exact(values: F64) -> F64:
    """Values that fp32 holds."""
    return narrow(values).astype(np.float64)


def chain_of(channels: int, blocks: int) -> ReferenceChain:
    chain = ReferenceChain(channels, blocks)
    chain.weights, chain.biases = ([exact(v) for v in values] for values in (chain.weights, chain.biases))
    return chain


def packed(chain: ReferenceChain, threads: int = 1) -> native.WinogradResidualChain:
    return native.WinogradResidualChain(
        [narrow(w) for w in chain.weights], [narrow(b) for b in chain.biases], threads
    )


def run(
    chain: ReferenceChain, x: F64, gradient: F64, mask: NDArray[np.uint8] | None = None, threads: int = 1
) -> list[F32]:
    """Output, input gradient, and the gradients of weights and biases; all arrays end at guard pages."""
    kernels = packed(chain, threads)
    features, gradients, y, x_gradient = (
        guarded_copy(narrow(v)) for v in (x, gradient, x * np.nan, x * np.nan)
    )
    weights = [guarded_copy(np.full(w.shape, np.nan, np.float32)) for w in chain.weights]
    biases = [guarded_copy(np.full(b.shape, np.nan, np.float32)) for b in chain.biases]
    maps = kernels.forward(features, y, threads, mask)
    kernels.backward(maps, gradients, x_gradient, weights, biases, threads)
    return [y, x_gradient, *weights, *biases]


def make_batch(shape: tuple[int, int, int], channels: int) -> tuple[F64, F64]:
    rng = np.random.default_rng(1)
    return exact(rng.normal(size=(*shape, channels))), exact(rng.normal(size=(*shape, channels)))


def make_mask(shape: tuple[int, int, int], kept: float) -> NDArray[np.uint8]:
    return (np.random.default_rng(2).random(shape) < kept).astype(np.uint8)


def assert_near(found: F32, expected: F64, error: float) -> None:
    """Relative error of the array as a whole."""
    assert np.linalg.norm(found.astype(np.float64) - expected) <= error * np.linalg.norm(expected)


def assert_as_in_float64(
    chain: ReferenceChain, x: F64, gradient: F64, mask: NDArray[np.uint8] | None = None
) -> None:
    y, x_gradient, *others = run(chain, x, gradient, mask)
    factor = 1.0 if mask is None else mask[..., np.newaxis].astype(np.float64)
    maps = chain.forward(x, factor)
    expected_x, weights, biases = chain.backward(maps, gradient, factor)
    for found, expected in zip(
        [y, x_gradient, *others], [maps[-1], expected_x, *weights, *biases], strict=True
    ):
        assert_near(found, expected, 2e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("channels", [16, 32, 48])
def test_block__has_the_gradients_of_float64(isa: str, channels: int, shape: tuple[int, int, int]) -> None:
    assert_as_in_float64(chain_of(channels, 1), *make_batch(shape, channels))


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.6, 1.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_masked_block__has_the_gradients_of_float64(
    isa: str, shape: tuple[int, int, int], kept: float
) -> None:
    assert_as_in_float64(chain_of(32, 1), *make_batch(shape, 32), make_mask(shape, kept))


def test_chain__has_the_gradients_of_float64(isa: str) -> None:
    shape = (3, 10, 14)
    assert_as_in_float64(chain_of(64, 3), *make_batch(shape, 64), make_mask(shape, 0.5))


def test_inactive_pixels_keep_their_bits(isa: str) -> None:
    shape = (2, 6, 9)
    (x, gradient), mask = make_batch(shape, 16), make_mask(shape, 0.5)
    y = run(chain_of(16, 2), x, gradient, mask)[0]
    np.testing.assert_array_equal(y[mask == 0], narrow(x)[mask == 0])
    assert (y[mask == 1] != narrow(x)[mask == 1]).any()


def test_bits_do_not_depend_on_threads(isa: str) -> None:
    shape = (11, 5, 8)
    chain, batch, mask = chain_of(32, 2), make_batch(shape, 32), make_mask(shape, 0.5)
    first = run(chain, *batch, mask)
    for threads in (2, 3):
        for found, expected in zip(run(chain, *batch, mask, threads), first, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_one_forward_pass_allows_several_backward_passes(isa: str) -> None:
    chain, (x, gradient) = chain_of(16, 1), make_batch((2, 6, 6), 16)
    kernels, y = packed(chain), narrow(x)
    maps = kernels.forward(narrow(x), y)
    found = []
    for _ in range(2):
        weights = [np.empty(w.shape, np.float32) for w in chain.weights]
        biases = [np.empty(b.shape, np.float32) for b in chain.biases]
        kernels.backward(maps, narrow(gradient), y.copy(), weights, biases)
        found.append(weights)
    for first, second in zip(*found, strict=True):
        np.testing.assert_array_equal(first, second)


def test_can_train_chain__depends_on_channels_and_instruction_set(isa: str) -> None:
    assert native.can_train_chain(48, "f32") == (isa != "scalar")
    assert not native.can_train_chain(24, "f32")
    assert not native.can_train_chain(0, "f32")
    assert not native.can_train_chain(32, "u8")


def test_invalid_arguments_are_refused() -> None:
    chain = chain_of(16, 1)
    weights, biases = [narrow(w) for w in chain.weights], [narrow(b) for b in chain.biases]
    with pytest.raises(ValueError, match="no kernels"):
        native.WinogradResidualChain([np.zeros((8, 3, 3, 8), np.float32)] * 2, [np.zeros(8, np.float32)] * 2)
    x = np.zeros((1, 4, 4, 16), np.float32)
    with pytest.raises(ValueError, match="'mask' must have the shape"):
        native.WinogradResidualChain(weights, biases).forward(x, x.copy(), 1, np.ones((1, 4, 5), np.uint8))
    maps = native.WinogradResidualChain(weights, biases).forward(x, x.copy())
    with pytest.raises(ValueError, match="another chain"):
        packed(chain_of(32, 1)).backward(maps, x, x.copy(), weights, biases)
