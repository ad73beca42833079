"""Balanced weights: right with every instruction set, in their own layout, and the same for any list of pixels."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from balanced_weights import balanced_weight
from bf16_maps import assert_rounded, from_bf16
from guard_pages import guarded, guarded_copy
from native_cases import (
    Guarded,
    assert_close,
    conv_at,
    conv_reference,
    make_window,
    masks,
    random_map,
    stride_of,
)

from sparsesr import _native as native

# Sizes around the edges of tiles: 24, 12 and 3 pixels with AVX-512, 12, 6 and 3 with AVX2.
SIZES = [(1, 1), (1, 2), (1, 3), (1, 4), (2, 6), (1, 7), (1, 13), (3, 8), (5, 5), (2, 37)]
LAYERS = [(16, (16,)), (17, (32,)), (3, (16,)), (33, (16, 32)), (64, (64,)), (72, (16,)), (130, (32,))]


def dense_bytes(outputs: int, splits: tuple[int, ...], kernel: int) -> int:
    """Bytes of a packed weight that is not balanced."""
    weight = np.ones((outputs, sum(splits), kernel, kernel), np.float32)
    return native.PackedConv(weight, None, splits).nbytes


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize(("outputs", "splits"), LAYERS, ids=str)
@pytest.mark.parametrize(
    ("keep", "block"), [(1, 16), (2, 8), (4, 16), (3, 16), (6, 16), (8, 16), (2, 16), (8, 32)]
)
def test_products(
    isa: str,
    rng: np.random.Generator,
    outputs: int,
    splits: tuple[int, ...],
    kernel: int,
    keep: int,
    block: int,
) -> None:
    if any(channels % block for channels in splits):
        pytest.skip("blocks do not divide the channels")
    weight = balanced_weight(rng, outputs, sum(splits), kernel, keep, block)
    bias = rng.standard_normal(outputs).astype(np.float32)
    packed = native.PackedConv(weight, bias, splits)
    for h, w in SIZES:
        maps = [random_map(rng, h, w, channels) for channels in splits]
        expected, magnitude = conv_reference(np.concatenate(maps, axis=2), weight, bias)
        out = Guarded.make(h, w, stride_of(outputs))
        native.conv_rows(packed, [(make_window(values), -1) for values in maps], out.window, 0, 0, h)
        assert_close(out.inside(outputs), expected, magnitude)
        assert not out.inside()[..., outputs:].any()
        out.assert_only_written(np.ones((h, w), np.bool_))


@pytest.mark.parametrize("keep", [1, 2])
def test_weights_take_their_own_layout(isa: str, rng: np.random.Generator, keep: int) -> None:
    """Values and half a byte for each position, not a number for every zero."""
    packed = native.PackedConv(balanced_weight(rng, 64, 64, 3, keep, 8), None, [64])
    assert packed.nbytes < (keep / 8 * 1.25 + 0.01) * dense_bytes(64, (64,), 3)


@pytest.mark.parametrize(
    ("outputs", "inputs", "keep", "block"),
    [(64, 64, 10, 16), (64, 64, 16, 16), (64, 24, 2, 8), (3, 64, 8, 16)],
)
def test_other_weights_keep_the_dense_layout(
    rng: np.random.Generator, outputs: int, inputs: int, keep: int, block: int
) -> None:
    """Too many weights, blocks shorter than a vector of AVX-512, or too few outputs."""
    if "avx512" not in native.cpu_features():
        pytest.skip("needs AVX-512")
    packed = native.PackedConv(balanced_weight(rng, outputs, inputs, 1, keep, block), None, [inputs])
    assert packed.nbytes == dense_bytes(outputs, (inputs,), 1)


def test_half_of_the_weights_take_their_own_layout_where_permuting_is_fast(rng: np.random.Generator) -> None:
    packed = native.PackedConv(balanced_weight(rng, 64, 64, 3, 8), None, [64])
    is_dense = packed.nbytes == dense_bytes(64, (64,), 3)
    assert is_dense == ("fast_permute" not in native.processor_features())


def test_kept_weights_may_differ_between_outputs(isa: str, rng: np.random.Generator) -> None:
    """Outputs without weights, blocks without weights, and 64 outputs that keep more than the others."""
    weight = balanced_weight(rng, 160, 32, 3, 1, 8)
    weight[64:128] = balanced_weight(rng, 64, 32, 3, 2, 8)
    weight[7] = 0
    weight[:, 8:16, 1, 1] = 0
    x = random_map(rng, 4, 9, 32)
    expected, magnitude = conv_reference(x, weight, None)
    out = np.zeros((4, 11, 160), np.float32)
    packed = native.PackedConv(weight, None, [32])
    native.conv_rows(packed, [(make_window(x), -1)], out, 0, 0, 4)
    assert packed.nbytes < 0.4 * dense_bytes(160, (32,), 3)
    assert_close(out[:, 1:-1], expected, magnitude)


@pytest.mark.parametrize("activation", ["none", "relu", "leaky_relu"])
@pytest.mark.parametrize("added", ["accumulate", "residual"])
@pytest.mark.parametrize("outputs", [20, 64])
def test_addends_and_activations(
    isa: str, rng: np.random.Generator, activation: str, added: str, outputs: int
) -> None:
    weight = balanced_weight(rng, outputs, 32, 3, 2, 8)
    x, y = random_map(rng, 3, 29, 32), random_map(rng, 3, 29, outputs)
    slopes = rng.uniform(-0.5, 0.5, outputs).astype(np.float32) if activation == "leaky_relu" else None
    total, magnitude = conv_reference(x, weight, None)
    total = total + y * (added == "accumulate")
    below = {"none": 1.0, "relu": 0.0, "leaky_relu": slopes}[activation]
    expected = np.where(total < 0, total * below, total) + y * (added == "residual")
    out = Guarded.make(3, 29, stride_of(outputs))
    native.conv_rows(
        native.PackedConv(weight, None, [32]), [(make_window(x), -1)], out.window, 0, 0, 3, activation, 0.0, slopes,
        **{added: (make_window(y), -1)},
    )  # fmt: skip
    assert_close(out.inside(outputs), expected, magnitude + np.abs(y))


def test_outputs_in_bf16(isa: str, rng: np.random.Generator) -> None:
    weight = balanced_weight(rng, 40, 16, 3, 2, 8)
    x = random_map(rng, 3, 29, 16)
    out = np.zeros((3, 31, 48), np.uint16)
    native.conv_rows(native.PackedConv(weight, None, [16]), [(make_window(x), -1)], out, 0, 0, 3)
    expected, magnitude = conv_reference(x, weight, None)
    assert_rounded(from_bf16(np.ascontiguousarray(out[:, 1:-1, :40])), expected, magnitude, "bf16")
    assert not out[..., 40:].any()


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("outputs", [20, 64, 80])
def test_each_active_pixel_equals_its_plain_convolution(
    isa: str, rng: np.random.Generator, outputs: int, kernel: int
) -> None:
    h, w = 7, 31
    packed = native.PackedConv(balanced_weight(rng, outputs, 32, kernel, 2, 8), None, [32])
    x = [(make_window(random_map(rng, h, w, 32)), -1)]
    plain = np.zeros((h, w + 2, stride_of(outputs)), np.float32)
    native.conv_rows(packed, x, plain, 0, 0, h, "relu")
    for active in masks(rng, h, w):
        for threads in (1, 2):
            out = Guarded.make(h, w, stride_of(outputs))
            conv_at(packed, x, out.window, active, "relu")(threads)
            assert np.array_equal(out.inside()[active], plain[:, 1:-1][active])
            out.assert_only_written(active)


@pytest.mark.parametrize("dense_in", [0, 5, 16, 20])
def test_taps_at_inactive_neighbours_are_left_out(isa: str, rng: np.random.Generator, dense_in: int) -> None:
    """There, channels beyond the dense ones are zero; the results are those of all taps."""
    h, w = 9, 26
    packed = native.PackedConv(balanced_weight(rng, 64, 64, 3, 2, 8), None, [64])
    values, active = random_map(rng, h, w, 64), rng.random((h, w)) < 0.4
    values[~active, dense_in:] = 0
    x = [(make_window(values), -1)]
    plain, out = (np.zeros((h, w + 2, 64), np.float32) for _ in range(2))
    native.conv_rows(packed, x, plain, 0, 0, h)
    logits = np.stack([np.zeros((h, w)), np.where(active, 1.0, -1.0)], axis=2).astype(np.float32)
    mask = native.PixelMask(h, w)
    mask.grow(make_window(logits), -1, h, 0.0)
    native.masked_conv_rows(
        packed, x, None, [], mask, out, 0, 0, h, "none", 0.0, None, "nowhere", np.zeros(0, np.float32), [dense_in],
        threads=2,
    )  # fmt: skip
    assert np.array_equal(out[:, 1:-1][active], plain[:, 1:-1][active])


@pytest.mark.parametrize("at_start", [False, True])
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize(("outputs", "inputs"), [(64, 64), (17, 16), (80, 32), (16, 48)])
def test_between_guard_pages(
    isa: str, rng: np.random.Generator, outputs: int, inputs: int, kernel: int, at_start: bool
) -> None:
    guard = partial(guarded_copy, at_start=at_start)
    packed = native.PackedConv(guard(balanced_weight(rng, outputs, inputs, kernel, 2, 8)), None, [inputs])
    for h, w in ((1, 1), (5, 23), (2, 60)):
        window = make_window(random_map(rng, h, w, inputs))
        x = guard(window if kernel == 3 else np.ascontiguousarray(window[1:-1]))
        out = guarded((h, w + 2, stride_of(outputs)), at_start=at_start)
        native.conv_rows(packed, [(x, -(kernel // 2))], out, 0, 0, h, "relu")
        plain = out.copy()
        for density in (0.1, 0.5, 1.0):
            conv_at(packed, [(x, -(kernel // 2))], out, rng.random((h, w)) < density, "relu")(2)
        assert np.array_equal(out, plain)


def test_the_transposed_convolution_uses_them_too(isa: str, rng: np.random.Generator) -> None:
    weight = balanced_weight(rng, 32, 16, 3, 2, 8)
    mixed = np.ascontiguousarray(weight.transpose(1, 0, 2, 3))
    x = make_window(random_map(rng, 5, 9, 16))
    results = []
    for values in (mixed, np.where(mixed == 0, np.float32(1e-30), mixed)):
        out = np.zeros((10, 20, 32), np.float32)
        native.conv_transpose2x_rows(native.PackedDeconv(values, None), x, -1, 5, out, 0, 0, 10)
        results.append(out)
    np.testing.assert_allclose(results[0], results[1], rtol=2e-5, atol=2e-3)


def test_the_table_names_the_kernel(isa: str) -> None:
    assert native.kernel_table()["conv_balanced"].startswith("f32_balanced_conv_")
