"""Balanced weights in bf16 and int8: right with every instruction set, in their own layout where it pays."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from balanced_weights import balanced_weight
from bf16_maps import assert_border_untouched, assert_rounded, empty, inside, rounded, to_bf16
from guard_pages import guarded, guarded_copy
from int8_maps import SIGNED, UNSIGNED, Steps, activated, exact_sums, narrowed, quantised, window_of
from native_cases import F32, conv_at, conv_reference, make_window, mask_of, masks, random_map, stride_of

from sparsesr import _native as native

# Sizes around the edges of tiles of 24, 12 and 3 pixels; one pixel alone has a kernel of its own.
SIZES = [(1, 1), (1, 2), (1, 4), (2, 6), (1, 13), (3, 8), (5, 5), (2, 37)]
PATTERNS = [(1, 16), (2, 16), (3, 16), (4, 16), (8, 16), (16, 64), (9, 64)]


def random_bytes(rng: np.random.Generator, h: int, w: int, c: int) -> np.ndarray:
    """Values from all over the range."""
    return rng.integers(0, 256, (h, w, c)).astype(np.uint8)


@pytest.mark.parametrize("out", ["f32", "bf16"])
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize(
    ("outputs", "splits"), [(16, (32,)), (17, (64,)), (64, (64,)), (72, (32, 96)), (130, (32,))]
)
@pytest.mark.parametrize(("keep", "block"), PATTERNS)
def test_bf16_sums_products_of_rounded_values(
    isa: str,
    rng: np.random.Generator,
    outputs: int,
    splits: tuple[int, ...],
    kernel: int,
    keep: int,
    block: int,
    out: str,
) -> None:
    if any(channels % block for channels in splits):
        pytest.skip("blocks do not divide the channels")
    weight = rounded(balanced_weight(rng, outputs, sum(splits), kernel, keep, block))
    bias = rng.standard_normal(outputs).astype(np.float32)
    packed = native.PackedConv(weight, bias, splits, "bf16")
    for h, w in SIZES:
        maps = [rounded(random_map(rng, h, w, channels)) for channels in splits]
        result = empty(h, w, outputs, out)
        native.conv_rows(packed, [(to_bf16(make_window(m)), -1) for m in maps], result, 0, 0, h)
        assert_rounded(
            inside(result, outputs), *conv_reference(np.concatenate(maps, axis=2), weight, bias), out
        )
        assert not inside(result)[..., outputs:].any()
        assert_border_untouched(result)


@pytest.mark.parametrize("steps", [UNSIGNED, SIGNED])
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize(("outputs", "splits"), [(17, (64,)), (64, (64,)), (72, (64, 128)), (130, (64,))])
@pytest.mark.parametrize(("keep", "block"), PATTERNS)
def test_int8_sums_exactly(
    isa: str,
    rng: np.random.Generator,
    outputs: int,
    splits: tuple[int, ...],
    kernel: int,
    keep: int,
    block: int,
    steps: Steps,
) -> None:
    weight = balanced_weight(rng, outputs, sum(splits), kernel, keep, block)
    bias = rng.standard_normal(outputs).astype(np.float32)
    all_steps = [steps] * len(splits)
    packed = native.PackedConv(weight, bias, splits, "u8", all_steps)
    for h, w in SIZES:
        maps = [random_bytes(rng, h, w, channels) for channels in splits]
        result = np.full((h, w + 2, stride_of(outputs)), -7.5, np.float32)
        native.conv_rows(packed, [(window_of(m, steps), -1) for m in maps], result, 0, 0, h)
        assert np.array_equal(result[:, 1:-1, :outputs], exact_sums(maps, weight, bias, all_steps))
        assert not result[:, 1:-1, outputs:].any()
        assert (result[:, [0, -1]] == -7.5).all()


@pytest.mark.parametrize("activation", ["none", "relu", "leaky_relu"])
@pytest.mark.parametrize("outputs", [9, 40, 64])
def test_int8_quantises_its_result(isa: str, rng: np.random.Generator, outputs: int, activation: str) -> None:
    out_steps = Steps(0.1, 128)
    weight, x = balanced_weight(rng, outputs, 64, 3, 4), random_bytes(rng, 4, 27, 64)
    packed = native.PackedConv(weight, None, [64], "u8", [UNSIGNED])
    result = np.full((4, 29, stride_of(outputs)), 171, np.uint8)
    native.conv_rows(
        packed, [(window_of(x, UNSIGNED), -1)], result, 0, 0, 4, activation, 0.25, out_steps=out_steps
    )
    values = activated(exact_sums([x], weight, None, [UNSIGNED], out_steps), activation, 0.25)
    assert np.array_equal(result[:, 1:-1, :outputs], narrowed(values, out_steps))
    assert (result[:, [0, -1]] == 171).all()


def inputs_of(rng: np.random.Generator, dtype: str, values: F32) -> tuple[np.ndarray, list[Steps]]:
    """A window of these values, and their steps if they are quantised."""
    if dtype == "bf16":
        return to_bf16(make_window(rounded(values))), []
    return window_of(quantised(np.abs(values), UNSIGNED), UNSIGNED), [UNSIGNED]


@pytest.mark.parametrize("dtype", ["bf16", "u8"])
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("outputs", [20, 64, 80])
def test_each_active_pixel_equals_its_plain_convolution(
    isa: str, rng: np.random.Generator, outputs: int, kernel: int, dtype: str
) -> None:
    h, w = 7, 31
    window, steps = inputs_of(rng, dtype, random_map(rng, h, w, 64))
    packed = native.PackedConv(balanced_weight(rng, outputs, 64, kernel, 4), None, [64], dtype, steps)
    plain = np.zeros((h, w + 2, stride_of(outputs)), np.float32)
    native.conv_rows(packed, [(window, -1)], plain, 0, 0, h, "relu")
    for active in masks(rng, h, w):
        for threads in (1, 2):
            listed = np.full_like(plain, -7.5)
            conv_at(packed, [(window, -1)], listed, active, "relu")(threads)
            assert np.array_equal(listed[:, 1:-1][active], plain[:, 1:-1][active])
            assert (listed[:, 1:-1][~active] == -7.5).all()


@pytest.mark.parametrize("dtype", ["bf16", "u8"])
@pytest.mark.parametrize("dense_in", [0, 5, 32, 36])
def test_taps_at_inactive_neighbours_are_left_out(
    isa: str, rng: np.random.Generator, dense_in: int, dtype: str
) -> None:
    """There, channels beyond the dense ones are zero; the results are those of all taps."""
    h, w = 9, 26
    values, active = random_map(rng, h, w, 128), rng.random((h, w)) < 0.4
    values[~active, dense_in:] = 0
    window, steps = inputs_of(rng, dtype, values)
    packed = native.PackedConv(balanced_weight(rng, 64, 128, 3, 2), None, [128], dtype, steps)
    plain, listed = (np.zeros((h, w + 2, 64), np.float32) for _ in range(2))
    native.conv_rows(packed, [(window, -1)], plain, 0, 0, h)
    native.masked_conv_rows(
        packed, [(window, -1)], None, [], mask_of(active), listed, 0, 0, h, "none", 0.0, None, "nowhere",
        np.zeros(0, np.float32), [dense_in], threads=2,
    )  # fmt: skip
    assert np.array_equal(listed[:, 1:-1][active], plain[:, 1:-1][active])


@pytest.mark.parametrize("at_start", [False, True])
@pytest.mark.parametrize("dtype", ["bf16", "u8"])
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize(("outputs", "inputs"), [(64, 64), (17, 64), (16, 192)])
def test_between_guard_pages(
    isa: str, rng: np.random.Generator, outputs: int, inputs: int, kernel: int, dtype: str, at_start: bool
) -> None:
    guard = partial(guarded_copy, at_start=at_start)
    steps = [UNSIGNED] if dtype == "u8" else []
    packed = native.PackedConv(
        guard(balanced_weight(rng, outputs, inputs, kernel, 4)), None, [inputs], dtype, steps
    )
    for h, w in ((1, 1), (5, 23), (2, 60)):
        window, _ = inputs_of(rng, dtype, random_map(rng, h, w, inputs))
        x = guard(window if kernel == 3 else np.ascontiguousarray(window[1:-1]))
        out = guarded((h, w + 2, stride_of(outputs)), at_start=at_start)
        native.conv_rows(packed, [(x, -(kernel // 2))], out, 0, 0, h, "relu")
        plain = out.copy()
        for density in (0.1, 0.5, 1.0):
            conv_at(packed, [(x, -(kernel // 2))], out, rng.random((h, w)) < density, "relu")(2)
        assert np.array_equal(out, plain)


@pytest.mark.parametrize(("dtype", "share"), [("bf16", 1.5), ("u8", 2.0)])
@pytest.mark.parametrize("keep", [2, 4, 8])
def test_weights_take_their_own_layout_where_it_pays(
    isa: str, rng: np.random.Generator, keep: int, dtype: str, share: float
) -> None:
    """Values and a byte for each position, not a number for every zero."""
    if f"conv_balanced_{dtype}" not in native.kernel_table():
        pytest.skip("dense kernels are faster here")
    steps = [UNSIGNED] if dtype == "u8" else []
    balanced, dense = (
        native.PackedConv(weight, None, [64], dtype, steps).nbytes
        for weight in (balanced_weight(rng, 64, 64, 3, keep), np.ones((64, 64, 3, 3), np.float32))
    )
    assert balanced < (keep / 16 * share + 0.02) * dense
