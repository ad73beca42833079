"""Depthwise convolution, enlargement by repetition, sigmoid; sums in bf16."""

from __future__ import annotations

import numpy as np
import pytest
from bf16_maps import U16, assert_rounded, empty, from_bf16, inside, rounded, to_bf16
from guard_pages import guarded_copy
from native_cases import CANARY, F32, F64, Guarded, make_window, random_map, stride_of

from sparsesr import _native as native

SHAPES = [(1, 1, 1), (3, 5, 16), (2, 70, 40), (5, 9, 256), (4, 33, 24)]
"""Less than a vector, single rows and columns, and rows of more and less than a tile."""
ACTIVATIONS = ["none", "relu", "leaky_relu"]


def depthwise_reference(x: F32, weight: F32, bias: F32) -> tuple[F64, F64]:
    """The sums (h, w, c) in float64, and the sums of magnitudes; weight (c, 3, 3)."""
    h, w, _ = x.shape
    padded, kernel = np.pad(x.astype(np.float64), ((1, 1), (1, 1), (0, 0))), weight.astype(np.float64)
    taps = [padded[y : y + h, z : z + w] * kernel[:, y, z] for y in range(3) for z in range(3)]
    return np.sum(taps, axis=0) + bias, np.sum(np.abs(taps), axis=0) + np.abs(bias)


def activated(values: F64, activation: str, slopes: F32) -> F64:
    below = {"none": 1.0, "relu": 0.0, "leaky_relu": slopes.astype(np.float64)}[activation]
    return np.where(values < 0, values * below, values)


def packed(values: F32, stride: int) -> F32:
    """Values with zeros up to the stride, ending at a guard page."""
    padded = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, stride - values.shape[-1])])
    return guarded_copy(padded.astype(np.float32))


class Depthwise:
    """Random weights for maps of some stride, with slopes of either sign."""

    def __init__(self, rng: np.random.Generator, c: int, stride: int) -> None:
        self.weight = rng.standard_normal((c, 3, 3)).astype(np.float32)
        self.bias, self.slopes = (rng.standard_normal(c).astype(np.float32) for _ in range(2))
        self.packed = packed(self.weight.reshape(c, 9).T, stride), packed(self.bias, stride)
        self.packed_slopes = packed(self.slopes, stride)

    def run(self, x: F32 | U16, out: F32 | U16, activation: str, r0: int, r1: int, threads: int = 1) -> None:
        weights, bias = self.packed
        native.depthwise_conv3x3_rows(
            x, -1, weights, bias, activation, self.packed_slopes, out, 0, r0, r1, threads
        )


@pytest.mark.parametrize(("h", "w", "c"), SHAPES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_depthwise__matches_the_definition(
    isa: str, rng: np.random.Generator, h: int, w: int, c: int, activation: str
) -> None:
    x, layer = random_map(rng, h, w, c), Depthwise(rng, c, stride_of(c))
    out = Guarded.make(h, w, stride_of(c))
    layer.run(make_window(x), out.window, activation, 0, h, threads=2)
    sums, magnitude = depthwise_reference(x, layer.weight, layer.bias)
    magnitude = magnitude * np.maximum(1, np.abs(layer.slopes))
    assert_rounded(out.inside(c), activated(sums, activation, layer.slopes), magnitude, "f32")
    assert (out.inside()[:, :, c:] == 0).all()
    out.assert_only_written(np.ones((h, w), np.bool_))
    cut = np.full_like(out.window, CANARY)
    for r in range(h):
        layer.run(make_window(x), cut, activation, r, r + 1)
    assert np.array_equal(cut, out.window)


@pytest.mark.parametrize(("h", "w", "c"), SHAPES)
def test_depthwise__in_bf16_rounds_the_sums(
    isa: str, rng: np.random.Generator, h: int, w: int, c: int
) -> None:
    x, layer = rounded(random_map(rng, h, w, c)), Depthwise(rng, c, stride_of(c))
    out = empty(h, w, c, "bf16")
    layer.run(guarded_copy(to_bf16(make_window(x))), out, "leaky_relu", 0, h, threads=2)
    sums, magnitude = depthwise_reference(x, layer.weight, layer.bias)
    magnitude = magnitude * np.maximum(1, np.abs(layer.slopes))
    assert_rounded(inside(out, c), activated(sums, "leaky_relu", layer.slopes), magnitude, "bf16")
    assert (inside(out)[:, :, c:] == 0).all()


def test_depthwise__of_an_image(isa: str, rng: np.random.Generator) -> None:
    x, layer = random_map(rng, 3, 7, 3), Depthwise(rng, 3, 4)
    out = Guarded.make(3, 7, 4)
    layer.run(make_window(x, 4), out.window, "none", 0, 3)
    assert_rounded(out.inside(3), *depthwise_reference(x, layer.weight, layer.bias), "f32")
    assert (out.inside()[:, :, 3] == 0).all()


@pytest.mark.parametrize("dtype", ["f32", "bf16"])
def test_depthwise__keeps_nan(isa: str, rng: np.random.Generator, dtype: str) -> None:
    x, layer = rng.standard_normal((4, 6, 16)).astype(np.float32), Depthwise(rng, 16, 16)
    x[1, 2, 3] = np.nan
    window = make_window(x)
    if dtype == "bf16":
        window = to_bf16(window)
    out = empty(4, 6, 16, dtype)
    layer.run(window, out, "relu", 0, 4)
    lost = np.isnan(inside(out))
    assert lost[0:3, 1:4, 3].all() and lost.sum() == 9


@pytest.mark.parametrize("scale", [1, 2, 3, 8])
@pytest.mark.parametrize(("h", "w", "c", "stride"), [(1, 1, 1, 16), (3, 5, 40, 48), (2, 7, 3, 4)])
def test_nearest__repeats_pixels(
    isa: str, rng: np.random.Generator, h: int, w: int, c: int, stride: int, scale: int
) -> None:
    x, window = random_map(rng, h, w, c), None
    window = make_window(x, stride)[1:-1]  # rows beyond the map must not be read
    out = Guarded.make(scale * h, scale * w, stride)
    native.nearest_rows(window, 0, scale, out.window, 0, 0, scale * h, threads=2)
    expected = x.repeat(scale, axis=0).repeat(scale, axis=1)
    assert np.array_equal(out.inside(c), expected) and (out.inside()[:, :, c:] == 0).all()
    out.assert_only_written(np.ones((scale * h, scale * w), np.bool_))
    bits = empty(scale * h, scale * w, stride, "bf16")[:, :, :stride]
    bits = np.ascontiguousarray(bits)
    first = scale * h - 1
    native.nearest_rows(to_bf16(window), 0, scale, bits, 0, first, first + 1)
    assert np.array_equal(from_bf16(bits[first:, 1:-1, :c].copy()), rounded(expected[first:]))


@pytest.mark.parametrize(("c", "stride"), [(1, 16), (48, 48), (3, 4)])
def test_sigmoid__is_the_formula(isa: str, rng: np.random.Generator, c: int, stride: int) -> None:
    x = (rng.standard_normal((3, 11, c)) * 8).astype(np.float32)
    x[0, 0, 0], x[0, 1, 0], x[0, 2, 0], x[0, 3, 0] = 1e30, -1e30, 0, np.nan
    out = Guarded.make(3, 11, stride)
    window = make_window(x, stride)
    native.sigmoid_rows(window, -1, c, out.window, 0, 0, 3, threads=2)
    expected = 1 / (1 + np.exp(-np.clip(x.astype(np.float64), -300, 300)))
    np.testing.assert_allclose(out.inside(c), expected, rtol=0, atol=2e-7)
    assert (out.inside()[:, :, c:] == 0).all()
    assert out.inside()[0, 0, 0] == 1 and out.inside()[0, 2, 0] == 0.5
    out.assert_only_written(np.ones((3, 11), np.bool_))
    native.sigmoid_rows(window, -1, c, window, -1, 0, 3)
    assert np.array_equal(window[1:-1, 1:-1], out.inside(), equal_nan=True)


def test_sigmoid__has_one_result_on_all_instruction_sets(rng: np.random.Generator) -> None:
    window, results = make_window(random_map(rng, 4, 9, 16)), []
    for name in native.cpu_features():
        native.set_cpu(name)
        out = np.zeros((4, 11, 16), np.float32)
        native.sigmoid_rows(window, -1, 16, out, 0, 0, 4)
        results.append(out)
    native.set_cpu(None)
    assert all(np.array_equal(results[0], other) for other in results[1:])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_sums_in_bf16(isa: str, rng: np.random.Generator, activation: str) -> None:
    maps = [rounded(random_map(rng, 3, 7, 24)) for _ in range(3)]
    factors, slopes = (rng.standard_normal(n).astype(np.float32) for n in (3, 24))
    out = empty(3, 7, 24, "bf16")
    inputs = [(to_bf16(make_window(x)), -1) for x in maps]
    native.add_rows(inputs, factors, activation, slopes, out, 0, 0, 3, threads=2)
    terms = [x.astype(np.float64) * factor for x, factor in zip(maps, factors, strict=True)]
    magnitude = np.sum(np.abs(terms), axis=0) * np.maximum(1, np.abs(slopes))
    expected = activated(np.sum(terms, axis=0), activation, slopes)
    assert_rounded(inside(out, 24), expected, magnitude, "bf16")
    assert (inside(out)[:, :, 24:] == 0).all()
    with pytest.raises(ValueError, match="must be uint16"):
        native.add_rows([inputs[0], (make_window(maps[0]), -1)], factors[:2], "none", slopes, out, 0, 0, 3)


def good_call() -> dict:
    """Arguments of a depthwise convolution of 3 rows."""
    zeros = np.zeros(16, np.float32)
    return {
        "x": np.zeros((5, 6, 16), np.float32), "x_row0": -1, "weights": np.zeros((9, 16), np.float32),
        "bias": zeros, "activation": "none", "slopes": zeros, "out": np.zeros((3, 6, 16), np.float32),
        "out_row0": 0, "r0": 0, "r1": 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"weights": np.zeros((9, 15), np.float32)}, r"'weights' must have the shape \[9, 16\]"),
        ({"weights": np.zeros((8, 16), np.float32)}, r"'weights' must have the shape \[9, 16\]"),
        ({"bias": np.zeros(15, np.float32)}, r"'bias' must have the shape \[16\]"),
        ({"slopes": np.zeros(17, np.float32)}, "'slopes' must have the shape"),
        ({"activation": "tanh"}, "unknown activation"),
        ({"x": np.zeros((5, 6, 32), np.float32)}, "same stride"),
        ({"x": np.zeros((5, 7, 16), np.float32)}, "'x'"),
        ({"x_row0": 0}, "'x'"),
        ({"r1": 4}, "'x'"),
        ({"out": np.zeros((3, 6, 16), np.uint16)}, "'out'"),
        ({"threads": 0}, "threads"),
    ],
)
def test_depthwise__refuses(change: dict, says: str) -> None:
    native.depthwise_conv3x3_rows(**good_call())
    with pytest.raises(ValueError, match=says):
        native.depthwise_conv3x3_rows(**{**good_call(), **change})


def test_outputs_may_not_share_memory_with_what_is_read_later() -> None:
    call = good_call()
    with pytest.raises(ValueError, match="shares memory"):
        native.depthwise_conv3x3_rows(**{**call, "out": call["x"], "out_row0": -1})
    with pytest.raises(ValueError, match="shares memory"):
        native.nearest_rows(call["x"], -1, 1, call["x"], -1, 0, 3)
    with pytest.raises(ValueError, match="shares memory"):
        native.sigmoid_rows(call["x"], -1, 16, call["x"], 0, 0, 3)


def test_enlargement_and_sigmoid_refuse() -> None:
    x, out = np.zeros((3, 6, 16), np.float32), np.zeros((6, 10, 16), np.float32)
    native.nearest_rows(x, 0, 2, out, 0, 0, 6)
    for scale, end, says in ((0, 6, "scale"), (3, 6, "'out'"), (2, 7, "'x'")):
        with pytest.raises(ValueError, match=says):
            native.nearest_rows(x, 0, scale, out, 0, 0, end)
    for channels, says in ((0, "at least 1"), (17, "has room for 16 channels")):
        with pytest.raises(ValueError, match=says):
            native.sigmoid_rows(x, 0, channels, x.copy(), 0, 0, 3)
