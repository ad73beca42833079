"""Convolutions of quantised maps: bit for bit the same with every instruction set, and close to the real numbers."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from bf16_maps import assert_border_untouched, empty, from_bf16, inside, rounded, to_bf16
from guard_pages import guarded, guarded_copy
from int8_maps import (
    SIGNED,
    UNSIGNED,
    Steps,
    activated,
    exact_sums,
    narrowed,
    quantised,
    real_sums,
    window_of,
)
from native_cases import F32, border_of, conv_at, make_window, mask_of, masks, stride_of

from sparsesr import _native as native

H, W = 4, 27
CANARY = 171


def random_bytes(rng: np.random.Generator, c: int, h: int = H, w: int = W) -> np.ndarray:
    """Values from all over the range, many of them at its ends."""
    values = rng.integers(0, 256, (h, w, c))
    kind = rng.random(values.shape)
    values[kind < 0.1], values[kind > 0.9] = 0, 255
    return values.astype(np.uint8)


def random_weight(rng: np.random.Generator, c_in: int, c_out: int, k: int) -> F32:
    return (rng.standard_normal((c_out, c_in, k, k)) / np.sqrt(c_in * k * k)).astype(np.float32)


def bf16_window(values: np.ndarray) -> np.ndarray:
    """A window of whole rows, ending at a guard page, whose other channels may hold anything."""
    h, w, c = values.shape
    window = guarded((h, w + 2, stride_of(c)), np.uint16)
    window[...] = CANARY
    window[:, 1:-1, :c] = values
    return window


@pytest.mark.parametrize("steps", [UNSIGNED, SIGNED])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize(
    ("c_in", "c_out"), [(1, 16), (3, 64), (16, 7), (27, 32), (33, 48), (64, 64), (64, 80)]
)
def test_conv__sums_exactly(
    isa: str, rng: np.random.Generator, c_in: int, c_out: int, k: int, steps: Steps
) -> None:
    weight, x = random_weight(rng, c_in, c_out, k), random_bytes(rng, c_in)
    bias = rng.standard_normal(c_out).astype(np.float32)
    packed = native.PackedConv(weight, bias, [c_in], "u8", [steps])
    inputs = [(window_of(x, steps), -1)]
    expected = exact_sums([x], weight, bias, [steps])
    result = np.full((H, W + 2, stride_of(c_out)), -7.5, np.float32)
    native.conv_rows(packed, inputs, result, 0, 0, H, threads=2)
    assert np.array_equal(result[:, 1:-1, :c_out], expected)
    assert (result[:, 1:-1, c_out:] == 0).all() and (result[:, [0, -1]] == -7.5).all()
    for mask in masks(rng, H, W):
        listed = np.full_like(result, -7.5)
        conv_at(packed, inputs, listed, mask)(2)
        assert np.array_equal(listed[:, 1:-1][mask], result[:, 1:-1][mask])
        assert (listed[:, 1:-1][~mask] == -7.5).all()


@pytest.mark.parametrize("pattern", [(1, 1), (1, -1), (-1, -1), (1, 0)])
@pytest.mark.parametrize("c_in", [6, 16, 20])
def test_conv__largest_products_do_not_overflow(isa: str, c_in: int, pattern: tuple[int, int]) -> None:
    signs = np.resize(np.float32(pattern), c_in)
    weight = np.broadcast_to(signs[None, :, None, None], (16, c_in, 3, 3)).copy()
    x = np.full((H, W, c_in), 255, np.uint8)
    packed = native.PackedConv(weight, None, [c_in], "u8", [UNSIGNED])
    result = np.zeros((H, W + 2, 16), np.float32)
    native.conv_rows(packed, [(window_of(x, UNSIGNED), -1)], result, 0, 0, H)
    assert np.array_equal(result[:, 1:-1], exact_sums([x], weight, None, [UNSIGNED]))


def test_conv__is_close_to_real_numbers(isa: str, rng: np.random.Generator) -> None:
    weight, x = random_weight(rng, 64, 64, 3), random_bytes(rng, 64)
    packed = native.PackedConv(weight, None, [64], "u8", [SIGNED])
    result = np.zeros((H, W + 2, 64), np.float32)
    native.conv_rows(packed, [(window_of(x, SIGNED), -1)], result, 0, 0, H)
    expected = real_sums([x], weight, None, [SIGNED])
    assert np.abs(result[:, 1:-1] - expected).max() < 0.02 * np.abs(expected).max()


@pytest.mark.parametrize("out_steps", [Steps(0.05, 0), Steps(0.1, 128)])
@pytest.mark.parametrize("activation", ["none", "relu", "leaky_relu"])
@pytest.mark.parametrize("c_out", [9, 16, 40, 64])
def test_conv__quantises_its_result(
    isa: str, rng: np.random.Generator, c_out: int, activation: str, out_steps: Steps
) -> None:
    weight, x = random_weight(rng, 20, c_out, 3) * 8, random_bytes(rng, 20)
    packed = native.PackedConv(weight, None, [20], "u8", [UNSIGNED])
    result = np.full((H, W + 2, stride_of(c_out)), CANARY, np.uint8)
    native.conv_rows(
        packed, [(window_of(x, UNSIGNED), -1)], result, 0, 0, H, activation, 0.25, out_steps=out_steps
    )
    values = activated(exact_sums([x], weight, None, [UNSIGNED], out_steps), activation, 0.25)
    expected = narrowed(values, out_steps)
    assert (expected == 255).any() and len(np.unique(expected)) > 100  # saturates, and uses the range
    assert np.array_equal(result[:, 1:-1, :c_out], expected)
    assert (result[:, [0, -1]] == CANARY).all()


def test_conv__several_inputs_addend_and_residual(isa: str, rng: np.random.Generator) -> None:
    splits, c_out, steps = [5, 16, 3], 24, [UNSIGNED, SIGNED, Steps(0.5, 7)]
    maps = [random_bytes(rng, c) for c in splits]
    weight = random_weight(rng, sum(splits), c_out, 3)
    addend, residual = (rng.standard_normal((H, W, c_out)).astype(np.float32) for _ in range(2))
    result = np.zeros((H, W + 2, 32), np.float32)
    native.conv_rows(
        native.PackedConv(weight, None, splits, "u8", steps),
        [(window_of(m, s), -1) for m, s in zip(maps, steps, strict=True)],
        result, 0, 0, H, "leaky_relu", 0.25, None,
        (make_window(residual), -1), (make_window(addend), -1),
    )  # fmt: skip
    values = activated(exact_sums(maps, weight, None, steps) + addend, "leaky_relu", 0.25) + residual
    assert np.array_equal(result[:, 1:-1, :c_out], values)


@pytest.mark.parametrize("activation", ["none", "relu", "leaky_relu"])
@pytest.mark.parametrize(("c_in", "c_out"), [(20, 9), (32, 16), (64, 64), (64, 80)])
def test_conv__rounds_its_result_to_bf16(
    isa: str, rng: np.random.Generator, c_in: int, c_out: int, activation: str
) -> None:
    weight, x = random_weight(rng, c_in, c_out, 3), random_bytes(rng, c_in)
    addend, residual = (to_bf16(rng.standard_normal((H, W, c_out)).astype(np.float32)) for _ in range(2))
    inputs = [(window_of(x, SIGNED), -1)]
    packed = native.PackedConv(weight, None, [c_in], "u8", [SIGNED])
    result = empty(H, W, c_out, "bf16")
    native.conv_rows(packed, inputs, result, 0, 0, H, activation, 0.25, threads=2)
    values = activated(exact_sums([x], weight, None, [SIGNED]), activation, 0.25)
    assert np.array_equal(inside(result, c_out), rounded(values))
    assert_border_untouched(result)
    added = [(bf16_window(values), 0) for values in (residual, addend)]
    native.conv_rows(packed, inputs, result, 0, 0, H, activation, 0.25, None, *added)
    sums = exact_sums([x], weight, None, [SIGNED]) + from_bf16(addend)
    assert np.array_equal(
        inside(result, c_out), rounded(activated(sums, activation, 0.25) + from_bf16(residual))
    )


@pytest.mark.parametrize("steps", [UNSIGNED, SIGNED])
@pytest.mark.parametrize("dense", [0, 16, 21])
def test_masked_conv__leaves_out_zeros_only_where_they_are_zero_bits(
    isa: str, rng: np.random.Generator, dense: int, steps: Steps
) -> None:
    active = rng.random((H, W)) < 0.3
    x = random_bytes(rng, 32)
    x[~active, dense:] = steps.zero
    weight = random_weight(rng, 32, 16, 3)
    packed = native.PackedConv(weight, None, [32], "u8", [steps])
    result = np.zeros((H, W + 2, 16), np.float32)
    native.masked_conv_rows(
        packed, [(window_of(x, steps), -1)], None, [], mask_of(active), result, 0, 0, H, "none", 0.0, None,
        "nowhere", np.zeros(0, np.float32), [dense], threads=2,
    )  # fmt: skip
    expected = exact_sums([x], weight, None, [steps])
    assert np.array_equal(result[:, 1:-1][active], expected[active])


@pytest.mark.parametrize("out_steps", [Steps(0.05, 0), Steps(0.1, 128)])
@pytest.mark.parametrize("fill", ["everywhere", "border"])
def test_masked_conv__fills_with_what_stands_for_zero(
    isa: str, rng: np.random.Generator, fill: str, out_steps: Steps
) -> None:
    active, x = rng.random((H, W)) < 0.2, random_bytes(rng, 16)
    weight, part = random_weight(rng, 16, 32, 3), random_weight(rng, 16, 5, 3)
    full = native.PackedConv(weight, None, [16], "u8", [SIGNED])
    outside = native.PackedConv(part, None, [16], "u8", [SIGNED])
    window = [(window_of(x, SIGNED), -1)]
    result = np.full((H, W + 2, 32), CANARY, np.uint8)
    native.masked_conv_rows(
        full, window, outside, window, mask_of(active), result, 0, 0, H, "none", 0.0, None, fill,
        np.zeros(16, np.float32), out_steps=out_steps,
    )  # fmt: skip
    inside = result[:, 1:-1]
    filled = ~active if fill == "everywhere" else border_of(active)
    complete, dense = (
        narrowed(exact_sums([x], some, None, [SIGNED], out_steps), out_steps) for some in (weight, part)
    )
    assert np.array_equal(inside[active], complete[active])
    assert np.array_equal(inside[~active, :5], dense[~active])
    assert (inside[~active, 5:16] == out_steps.zero).all() and (inside[filled, 16:] == out_steps.zero).all()


@pytest.mark.parametrize("steps", [UNSIGNED, SIGNED])
def test_quantise__saturates_and_rounds_half_up(isa: str, rng: np.random.Generator, steps: Steps) -> None:
    x = (rng.standard_normal((H, W, 20)) * 2).astype(np.float32)
    x[0, :6, 0] = [np.nan, np.inf, -np.inf, 1e30, -1e30, 1e-30]
    result = np.full((H, W + 2, 32), CANARY, np.uint8)
    native.quantise_rows(make_window(x), -1, result, 0, 0, H, steps, threads=2)
    assert np.array_equal(result[:, 1:-1, :20], quantised(x, steps))
    assert (result[:, [0, -1]] == CANARY).all()
    assert [*result[0, 1:7, 0]] == [0, 255, 0, 255, 0, steps.zero]
    narrow = to_bf16(make_window(x))
    native.quantise_rows(narrow, -1, result, 0, 0, H, steps, threads=2)
    assert np.array_equal(result[:, 1:-1, :20], quantised(inside(narrow, 20)[1:-1], steps))


@pytest.mark.parametrize("at_start", [True, False])
@pytest.mark.parametrize(("c_in", "c_out"), [(3, 64), (64, 64), (17, 12), (65, 80), (16, 3)])
def test_guard_pages(isa: str, rng: np.random.Generator, c_in: int, c_out: int, at_start: bool) -> None:
    guard = partial(guarded_copy, at_start=at_start)
    weight = random_weight(rng, c_in, c_out, 3)
    packed = native.PackedConv(guard(weight), guard(np.zeros(c_out, np.float32)), [c_in], "u8", [SIGNED])
    x = guard(window_of(random_bytes(rng, c_in), SIGNED))
    out = guarded((H, W + 2, stride_of(c_out)), np.uint8, at_start=at_start)
    exact = guarded((H, W + 2, stride_of(c_out)), at_start=at_start)
    native.conv_rows(packed, [(x, -1)], out, 0, 0, H, "relu", out_steps=UNSIGNED, threads=2)
    native.conv_rows(packed, [(x, -1)], exact, 0, 0, H, "relu")
    again = guarded((H, W + 2, stride_of(c_out)), np.uint8, at_start=at_start)
    native.quantise_rows(exact, 0, again, 0, 0, H, UNSIGNED)
    difference = out[:, 1:-1, :c_out].astype(int) - again[:, 1:-1, :c_out]
    assert np.abs(difference).max() <= 1 and (difference == 0).mean() > 0.99


def test_invalid_arguments_are_refused() -> None:
    weight, x = np.zeros((16, 16, 1, 1), np.float32), np.zeros((3, 6, 16), np.uint8)
    for wrong in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="scale must be positive and finite"):
            native.PackedConv(weight, None, [16], "u8", [(wrong, 0)])
    with pytest.raises(ValueError, match="zero must be 0 to 255"):
        native.PackedConv(weight, None, [16], "u8", [(1.0, 256)])
    with pytest.raises(ValueError, match="a scale and a zero for each"):
        native.PackedConv(weight, None, [16], "u8")
    with pytest.raises(ValueError, match="for inputs of type u8"):
        native.PackedConv(weight, None, [16], "f32", [(1.0, 0)])
    with pytest.raises(ValueError, match="too many terms"):
        native.PackedConv(np.zeros((1, 7282, 3, 3), np.float32), None, [7282], "u8", [(1.0, 0)])
    with pytest.raises(ValueError, match="multiply f32 or bf16"):
        native.PackedDeconv(np.zeros((16, 2, 3, 3), np.float32), None, "u8")
    packed = native.PackedConv(weight, None, [16], "u8", [UNSIGNED])
    out, exact = np.zeros((3, 6, 16), np.uint8), np.zeros((3, 6, 16), np.float32)
    with pytest.raises(ValueError, match="'out_steps' must be given"):
        native.conv_rows(packed, [(x, -1)], out, -1, 0, 1)
    with pytest.raises(ValueError, match="'out_steps' must be given"):
        native.conv_rows(packed, [(x, -1)], exact, -1, 0, 1, out_steps=UNSIGNED)
    with pytest.raises(ValueError, match="nothing can be added"):
        native.conv_rows(packed, [(x, -1)], out, -1, 0, 1, residual=(out, -1), out_steps=UNSIGNED)
    with pytest.raises(ValueError, match="multiple of 16"):
        native.conv_rows(packed, [(x, -1)], np.zeros((3, 6, 24), np.uint8), -1, 0, 1, out_steps=UNSIGNED)
    with pytest.raises(ValueError, match="'out' is quantised, so its stride"):
        native.quantise_rows(
            np.zeros((3, 6, 24), np.float32), -1, np.zeros((3, 6, 24), np.uint8), -1, 0, 1, UNSIGNED
        )
    with pytest.raises(ValueError, match="'x' must be float32"):
        native.quantise_rows(out, -1, out, -1, 0, 1, UNSIGNED)
    with pytest.raises(ValueError, match="no kernel"):
        native.conv_rows(
            native.PackedConv(weight, None, [16]), [(exact, -1)], out, -1, 0, 1, out_steps=UNSIGNED
        )


def test_weights_of_zero_give_the_bias(isa: str) -> None:
    packed = native.PackedConv(np.zeros((2, 4, 1, 1), np.float32), np.float32([1.5, -2]), [4], "u8", [SIGNED])
    out = np.zeros((1, 5, 16), np.float32)
    native.conv_rows(packed, [(np.full((1, 5, 16), 9, np.uint8), 0)], out, 0, 0, 1)
    assert (out[0, 1:-1, :2] == [1.5, -2]).all()


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("c_in", [5, 16, 24, 32, 48, 64, 100])
def test_conv__rows_of_any_length_end_at_a_guard_page(
    isa: str, rng: np.random.Generator, c_in: int, k: int
) -> None:
    """Lengths around those of blocks of pixels; nothing beyond the last pixel's taps is read."""
    weight = random_weight(rng, c_in, 32, k)
    packed = native.PackedConv(weight, None, [c_in], "u8", [UNSIGNED])
    for width in (1, 2, 13, 15, 16, 17, 31, 33, 49):
        x = random_bytes(rng, c_in, 2, width)
        out = np.zeros((2, width + 2, 32), np.float32)
        native.conv_rows(packed, [(window_of(x, UNSIGNED), -1)], out, 0, 0, 2)
        assert np.array_equal(out[:, 1:-1], exact_sums([x], weight, None, [UNSIGNED]))


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("splits", [[16], [20], [32], [16, 64, 9]])
def test_conv__inputs_with_more_padding_than_usual(
    isa: str, rng: np.random.Generator, splits: list[int], k: int
) -> None:
    steps = [SIGNED] * len(splits)
    maps = [random_bytes(rng, c) for c in splits]
    weight = random_weight(rng, sum(splits), 40, k)
    packed = native.PackedConv(weight, None, splits, "u8", steps)
    inputs = []
    for values in maps:
        wide: np.ndarray = guarded((H + 2, W + 2, stride_of(values.shape[2]) + 16), np.uint8)
        wide[..., :-16], wide[..., -16:] = window_of(values, SIGNED), 99
        inputs.append((wide, -1))
    expected = exact_sums(maps, weight, None, steps)
    for mask in masks(rng, H, W):
        out = np.zeros((H, W + 2, 48), np.float32)
        conv_at(packed, inputs, out, mask)(2)
        assert np.array_equal(out[:, 1:-1, :40][mask], expected[mask])


@pytest.mark.parametrize("zero", [0, 128])
@pytest.mark.parametrize("activation", ["none", "relu"])
def test_conv__results_beyond_32_bits_saturate(
    isa: str, rng: np.random.Generator, activation: str, zero: int
) -> None:
    x = random_bytes(rng, 64)
    weight = random_weight(rng, 64, 32, 3)
    bias = np.zeros(32, np.float32)
    bias[:4] = [1e30, -1e30, 3e9, np.nan]
    weight[4:8] *= np.float32([1e20, 1e9, 1e8, 1e7])[:, None, None, None]
    out_steps = Steps(1e-3, zero)
    packed = native.PackedConv(weight, bias, [64], "u8", [SIGNED])
    out = np.zeros((H, W + 2, 32), np.uint8)
    native.conv_rows(packed, [(window_of(x, SIGNED), -1)], out, 0, 0, H, activation, out_steps=out_steps)
    expected = narrowed(activated(exact_sums([x], weight, bias, [SIGNED], out_steps), activation), out_steps)
    assert np.array_equal(out[:, 1:-1], expected)
    assert (expected[..., 0] == 255).all() and (expected[..., 3] == 0).all()


def test_conv__sums_of_many_terms(isa: str, rng: np.random.Generator) -> None:
    """So many that tiles leave them to vectors."""
    x = random_bytes(rng, 4096, 1, 2)
    weight = random_weight(rng, 4096, 16, 3)
    packed = native.PackedConv(weight, None, [4096], "u8", [UNSIGNED])
    out = np.zeros((1, 4, 16), np.float32)
    native.conv_rows(packed, [(window_of(x, UNSIGNED), -1)], out, 0, 0, 1)
    assert np.array_equal(out[:, 1:-1], exact_sums([x], weight, None, [UNSIGNED]))
