"""Dense and masked convolution: against float64, against torch, and against each other bit for bit."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from native_cases import (
    CANARY,
    F32,
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

CHANNELS = [1, 2, 3, 12, 16, 24, 27, 32, 48, 64, 65, 256, 320]


def random_weight(rng: np.random.Generator, c_out: int, c_in: int, k: int) -> F32:
    return (rng.standard_normal((c_out, c_in, k, k)) / np.sqrt(c_in * k * k)).astype(np.float32)


def run_dense(weight: F32, bias: F32 | None, x: F32, threads: int = 1) -> F32:
    h, w, c = x.shape
    out = Guarded.make(h, w, stride_of(weight.shape[0]))
    packed = native.PackedConv(weight, bias, [c])
    native.conv_rows(packed, [(make_window(x), -1)], out.window, 0, 0, h, threads=threads)
    out.assert_only_written(np.ones((h, w), np.bool_))
    assert (out.inside()[:, :, weight.shape[0] :] == 0).all()
    return out.inside(weight.shape[0])


@pytest.mark.parametrize("c_out", [3, 16, 32, 48, 64, 80])
def test_conv__every_width_around_the_tiles(isa: str, rng: np.random.Generator, c_out: int) -> None:
    weight = random_weight(rng, c_out, 5, 3)
    bias = rng.standard_normal(c_out).astype(np.float32)
    for width in range(1, 34):
        x = random_map(rng, 1, width, 5)
        assert_close(run_dense(weight, bias, x), *conv_reference(x, weight, bias))


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("channels", CHANNELS)
def test_conv__channel_counts(isa: str, rng: np.random.Generator, channels: int, k: int) -> None:
    for c_in, c_out in [(channels, 64), (64, channels), (channels, 7)]:
        weight = random_weight(rng, c_out, c_in, k)
        x = random_map(rng, 3, 7, c_in)
        assert_close(run_dense(weight, None, x), *conv_reference(x, weight, None))


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("c_out", [3, 16, 24, 64, 65])
def test_conv__masked_equals_dense_bit_for_bit(
    isa: str, rng: np.random.Generator, c_out: int, k: int
) -> None:
    h, w, c_in = 13, 17, 24
    weight = random_weight(rng, c_out, c_in, k)
    x = random_map(rng, h, w, c_in)
    dense = run_dense(weight, None, x)
    packed = native.PackedConv(weight, None, [c_in])
    for mask in masks(rng, h, w):
        out = Guarded.make(h, w, stride_of(c_out) + 16)
        conv_at(packed, [(make_window(x), -1)], out.window, mask)(1)
        assert np.array_equal(out.inside(c_out)[mask], dense[mask])
        assert (out.inside()[mask][:, c_out:] == 0).all()
        out.assert_only_written(mask)


@pytest.mark.parametrize("c_out", [3, 24, 64, 65])
def test_conv__agrees_with_scalar(isa: str, rng: np.random.Generator, c_out: int) -> None:
    weight, bias = random_weight(rng, c_out, 33, 3), rng.standard_normal(c_out).astype(np.float32)
    x = random_map(rng, 6, 19, 33)
    found = run_dense(weight, bias, x)
    native.set_cpu("scalar")
    expected = run_dense(weight, bias, x)
    assert_close(found, expected.astype(np.float64), 2 * conv_reference(x, weight, bias)[1])


def test_conv__vector_sets_agree_bit_for_bit_where_outputs_are_in_the_lanes(rng: np.random.Generator) -> None:
    weight = random_weight(rng, 64, 27, 3)
    x = random_map(rng, 5, 29, 27)
    results = []
    for isa in native.cpu_features()[1:]:
        native.set_cpu(isa)
        results.append(run_dense(weight, None, x))
    native.set_cpu(None)
    assert all(np.array_equal(results[0], result) for result in results[1:])


@pytest.mark.parametrize("c_out", [12, 64])
def test_conv__bits_do_not_depend_on_threads_or_row_cuts(
    isa: str, rng: np.random.Generator, c_out: int
) -> None:
    h, w = 23, 31
    weight = random_weight(rng, c_out, 16, 3)
    x = random_map(rng, h, w, 16)
    whole = run_dense(weight, None, x)
    for threads in (2, 3, 7):
        assert np.array_equal(whole, run_dense(weight, None, x, threads))
    packed = native.PackedConv(weight, None, [16])
    window = make_window(x)
    for cuts in ([0, 1, 2, 23], [0, 7, 14, 21, 23], [0, 22, 23]):
        out = Guarded.make(h, w, stride_of(c_out))
        for r0, r1 in pairwise(cuts):
            part = np.ascontiguousarray(window[r0 : r1 + 2])  # rows r0 - 1 to r1
            native.conv_rows(packed, [(part, r0 - 1)], out.window, 0, r0, r1, threads=2)
        assert np.array_equal(whole, out.inside(c_out))


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("splits", [[64, 64, 64, 64], [3, 16, 1], [65, 2]])
def test_conv__splits_equal_the_concatenation(
    isa: str, rng: np.random.Generator, splits: list[int], k: int
) -> None:
    h, w, c_out = 4, 9, 20
    maps = [random_map(rng, h, w, c) for c in splits]
    weight = random_weight(rng, c_out, sum(splits), k)
    out = Guarded.make(h, w, 32)
    packed = native.PackedConv(weight, None, splits)
    inputs = [(make_window(m, stride_of(m.shape[2]) + 16 * i), -1) for i, m in enumerate(maps)]
    native.conv_rows(packed, inputs, out.window, 0, 0, h)
    assert_close(out.inside(c_out), *conv_reference(np.concatenate(maps, axis=2), weight, None))


def activate(values: np.ndarray, name: str, slope: float) -> np.ndarray:
    if name == "none":
        return values
    return np.where(values < 0, values * (slope if name == "leaky_relu" else 0.0), values)


@pytest.mark.parametrize("activation", ["none", "relu", "leaky_relu"])
@pytest.mark.parametrize("c_out", [3, 16, 24, 64, 80])
def test_conv__accumulate_activation_residual(
    isa: str, rng: np.random.Generator, c_out: int, activation: str
) -> None:
    h, w = 3, 11
    x = random_map(rng, h, w, 16)
    addend, residual = random_map(rng, h, w, c_out), random_map(rng, h, w, c_out)
    weight, bias = random_weight(rng, c_out, 16, 3), rng.standard_normal(c_out).astype(np.float32)
    packed = native.PackedConv(weight, bias, [16])
    plain, magnitude = conv_reference(x, weight, bias)
    expected = activate(plain + addend, activation, 0.25) + residual
    magnitude = magnitude + np.abs(addend) + np.abs(residual)
    for shared in ("nothing", "accumulate", "residual"):
        extra = {"accumulate": make_window(addend), "residual": make_window(residual)}
        out = extra.get(shared, np.full((h + 2, w + 2, stride_of(c_out)), CANARY))
        placed = {name: (window, -1) for name, window in extra.items()}
        native.conv_rows(
            packed, [(make_window(x), -1)], out, -1, 0, h, activation=activation, slope=0.25, **placed
        )
        assert_close(out[1:-1, 1:-1, :c_out], expected, magnitude)
        assert (out[1:-1, 1:-1, c_out:] == 0).all()


def test_conv__accumulated_links_equal_the_concatenation(isa: str, rng: np.random.Generator) -> None:
    """A concatenation split into links that accumulate in place gives the same bits."""
    h, w = 3, 8
    maps = [random_map(rng, h, w, 32) for _ in range(3)]
    weight, bias = random_weight(rng, 24, 96, 1), rng.standard_normal(24).astype(np.float32)
    whole = np.zeros((h, w + 2, 32), np.float32)
    windows = [(make_window(m), -1) for m in maps]
    native.conv_rows(native.PackedConv(weight, bias, [32] * 3), windows, whole, 0, 0, h, "relu")
    chain = np.zeros_like(whole)
    for i, window in enumerate(windows):
        part = np.ascontiguousarray(weight[:, 32 * i : 32 * (i + 1)])
        packed = native.PackedConv(part, bias if i == 0 else None, [32])
        native.conv_rows(
            packed,
            [window],
            chain,
            0,
            0,
            h,
            activation="relu" if i == 2 else "none",
            accumulate=(chain, 0) if i else None,
        )
    assert np.array_equal(whole, chain)


def test_conv__three_channel_windows_have_stride_four(isa: str, rng: np.random.Generator) -> None:
    x = random_map(rng, 4, 13, 3)
    weight = random_weight(rng, 3, 3, 3)
    out = Guarded.make(4, 13, 4)
    native.conv_rows(native.PackedConv(weight, None, [3]), [(make_window(x, 4), -1)], out.window, 0, 0, 4)
    assert_close(out.inside(3), *conv_reference(x, weight, None))
    assert (out.inside()[:, :, 3] == 0).all()


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, np.float32(3e38), np.float32(1e-45)])
def test_conv__extreme_values_stay_in_their_neighbourhood(
    isa: str, rng: np.random.Generator, value: float
) -> None:
    x = np.abs(random_map(rng, 7, 9, 4)) + 1
    weight = np.abs(random_weight(rng, 20, 4, 3)) + 0.5
    plain = run_dense(weight, None, x)
    x[3, 4, 2] = value
    changed = run_dense(weight, None, x)
    near = np.zeros((7, 9), np.bool_)
    near[2:5, 3:6] = True
    assert np.array_equal(plain[~near], changed[~near])
    if np.isinf(value):
        assert (changed[near] == value).all()
    if np.isnan(value):
        assert np.isnan(changed[near]).all()


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_conv__activation_propagates_nan(isa: str, activation: str) -> None:
    x = np.full((1, 7, 1), np.nan, np.float32)
    out = np.zeros((1, 9, 16), np.float32)
    packed = native.PackedConv(np.ones((1, 1, 1, 1), np.float32), None, [1])
    native.conv_rows(packed, [(make_window(x), -1)], out, 0, 0, 1, activation, 0.1)
    assert np.isnan(out[0, 1:-1, 0]).all()
    assert (out[0, 1:-1, 1:] == 0).all()


def test_conv__packed_weights_survive_a_change_of_instruction_set(rng: np.random.Generator) -> None:
    weight = random_weight(rng, 64, 16, 3)
    x = random_map(rng, 3, 7, 16)
    for isa in native.cpu_features():
        native.set_cpu(isa)
        packed = native.PackedConv(weight, None, [16])
        native.set_cpu(None)
        assert packed.isa == isa
        out = np.zeros((3, 9, 64), np.float32)
        native.conv_rows(packed, [(make_window(x), -1)], out, 0, 0, 3)
        assert_close(out[:, 1:-1], *conv_reference(x, weight, None))


def test_conv__properties_of_packed_weights() -> None:
    packed = native.PackedConv(np.zeros((20, 7, 3, 3), np.float32), None, [3, 4])
    assert (packed.c_in, packed.c_out, packed.kernel, packed.splits) == (7, 20, 3, [3, 4])
    assert packed.nbytes == 32 * (7 * 9 + 1) * 4


@pytest.mark.parametrize("k", [1, 3])
def test_conv__agrees_with_torch(isa: str, rng: np.random.Generator, k: int) -> None:
    torch = pytest.importorskip("torch")
    x = rng.standard_normal((19, 23, 64)).astype(np.float32)
    weight, bias = random_weight(rng, 64, 64, k), rng.standard_normal(64).astype(np.float32)
    expected = torch.nn.functional.conv2d(
        torch.from_numpy(x.transpose(2, 0, 1)[None].copy()),
        torch.from_numpy(weight),
        torch.from_numpy(bias),
        padding=k // 2,
    )
    np.testing.assert_allclose(run_dense(weight, bias, x), expected[0].numpy().transpose(1, 2, 0), atol=2e-5)


@pytest.mark.parametrize("density", [0.0, 0.1, 0.5, 1.0])
def test_conv__masked_layer_agrees_with_torch(isa: str, rng: np.random.Generator, density: float) -> None:
    """A masked layer in two calls: full weights at active pixels, the dense-to-dense part at the others."""
    torch = pytest.importorskip("torch")
    h, w, c, dense_in, dense_out = 16, 18, 64, 24, 9
    mask = rng.random((h, w)) < density
    x = rng.standard_normal((h, w, c)).astype(np.float32)
    x[~mask, dense_in:] = 0
    weight = random_weight(rng, c, c, 3)
    image = torch.from_numpy(x.transpose(2, 0, 1)[None].copy())
    full = torch.nn.functional.conv2d(image, torch.from_numpy(weight), padding=1)
    part = torch.zeros_like(full)
    small = np.ascontiguousarray(weight[:dense_out, :dense_in])
    part[:, :dense_out] = torch.nn.functional.conv2d(image[:, :dense_in], torch.from_numpy(small), padding=1)
    expected = torch.where(torch.from_numpy(mask), full, part).relu()[0].numpy().transpose(1, 2, 0)

    out = np.full((h, w + 2, c), CANARY)
    window = [(make_window(x), -1)]
    conv_at(native.PackedConv(weight, None, [c]), window, out, mask, "relu")(1)
    conv_at(native.PackedConv(small, None, [dense_in]), window, out, ~mask, "relu")(1)
    np.testing.assert_allclose(out[:, 1:-1], expected, atol=2e-5)
