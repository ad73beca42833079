"""Pooling, transposed convolution, sums, attention and scaling."""

from __future__ import annotations

import numpy as np
import pytest
from bf16_maps import to_bf16
from native_cases import CANARY, F32, Guarded, make_window, mask_of, masks, random_map, stride_of

from sparsesr import _native as native


def chw(map_hwc: F32) -> F32:
    return np.ascontiguousarray(map_hwc.transpose(2, 0, 1)[None])


@pytest.mark.parametrize(("h", "w", "c"), [(2, 2, 16), (6, 10, 16), (4, 34, 5)])
def test_avg_pool__is_the_mean_of_four(isa: str, rng: np.random.Generator, h: int, w: int, c: int) -> None:
    x = random_map(rng, h, w, c)
    out = Guarded.make(h // 2, w // 2, stride_of(c))
    native.avg_pool2x2_rows(make_window(x), -1, out.window, 0, 0, h // 2, threads=2)
    expected = x.reshape(h // 2, 2, w // 2, 2, c).astype(np.float64).mean(axis=(1, 3))
    np.testing.assert_allclose(out.inside(c), expected, rtol=1e-5, atol=1e-3)
    out.assert_only_written(np.ones((h // 2, w // 2), np.bool_))


def deconv_reference(x: F32, weight: F32, bias: F32 | None) -> np.ndarray:
    """Each input pixel adds its 3x3 patch around (2i, 2j)."""
    h, w, _ = x.shape
    canvas = np.zeros((2 * h + 2, 2 * w + 2, weight.shape[1]))
    for ky in range(3):
        for kx in range(3):
            canvas[ky : ky + 2 * h : 2, kx : kx + 2 * w : 2] += x.astype(np.float64) @ weight[:, :, ky, kx]
    out = canvas[1 : 2 * h + 1, 1 : 2 * w + 1]
    return out if bias is None else out + bias


@pytest.mark.parametrize(("c_in", "c_out"), [(16, 2), (3, 1), (20, 70)])
@pytest.mark.parametrize(("h", "w"), [(1, 1), (3, 5), (2, 33)])
def test_conv_transpose__matches_the_definition(
    isa: str, rng: np.random.Generator, h: int, w: int, c_in: int, c_out: int
) -> None:
    x = rng.standard_normal((h, w, c_in)).astype(np.float32)
    weight = rng.standard_normal((c_in, c_out, 3, 3)).astype(np.float32)
    bias = rng.standard_normal(c_out).astype(np.float32)
    packed = native.PackedDeconv(weight, bias)
    out = Guarded.make(2 * h, 2 * w, stride_of(c_out))
    window = make_window(x)[1:-1]  # rows beyond the map must not be read
    native.conv_transpose2x_rows(packed, window, 0, h, out.window, 0, 0, 2 * h, threads=2)
    np.testing.assert_allclose(out.inside(c_out), deconv_reference(x, weight, bias), atol=2e-5)
    assert (out.inside()[:, :, c_out:] == 0).all()
    out.assert_only_written(np.ones((2 * h, 2 * w), np.bool_))
    cut = np.full_like(out.window, CANARY)
    for r in range(2 * h):
        native.conv_transpose2x_rows(packed, window, 0, h, cut, 0, r, r + 1)
    assert np.array_equal(cut, out.window)


def test_conv_transpose__agrees_with_torch(isa: str, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    x = rng.standard_normal((9, 11, 16)).astype(np.float32)
    weight = rng.standard_normal((16, 2, 3, 3)).astype(np.float32)
    layer = torch.nn.functional.conv_transpose2d
    expected = layer(torch.from_numpy(chw(x)), torch.from_numpy(weight), None, 2, 1, 1)[0].numpy()
    out = np.zeros((18, 24, 16), np.float32)
    native.conv_transpose2x_rows(native.PackedDeconv(weight, None), make_window(x), -1, 9, out, 0, 0, 18)
    np.testing.assert_allclose(out[:, 1:-1, :2], expected.transpose(1, 2, 0), atol=2e-5)


@pytest.mark.parametrize("c", [1, 16, 20, 64])
def test_row_sums__are_exact_and_write_only_their_rows(isa: str, rng: np.random.Generator, c: int) -> None:
    x = random_map(rng, 5, 37, c)
    sums = np.full((7, c), np.nan)
    native.row_sums(make_window(x), -1, 1, 4, sums, threads=2)
    np.testing.assert_allclose(sums[1:4], x[1:4].astype(np.float64).sum(axis=1), rtol=1e-12, atol=1e-9)
    assert np.isnan(sums[[0, 4, 5, 6]]).all()


def test_channel_attention__matches_the_formula(isa: str, rng: np.random.Generator) -> None:
    c, m = 64, 4
    mean, w1, b1, w2, b2 = (
        rng.standard_normal(shape).astype(np.float32) for shape in ((c,), (m, c), (m,), (c, m), (c,))
    )
    hidden = np.maximum(w1.astype(np.float64) @ mean + b1, 0)
    expected = 1 / (1 + np.exp(-(w2 @ hidden + b2)))
    np.testing.assert_allclose(native.channel_attention(mean, w1, b1, w2, b2), expected, atol=1e-6)
    with pytest.raises(ValueError, match="shape"):
        native.channel_attention(mean, w2, b1, w1, b2)


@pytest.mark.parametrize("c", [3, 16, 64])
@pytest.mark.parametrize("shared", ["nothing", "x", "residual"])
def test_scale_add__works_in_place(isa: str, rng: np.random.Generator, c: int, shared: str) -> None:
    h, w = 4, 9
    x, residual = random_map(rng, h, w, c), random_map(rng, h, w, c)
    scale = rng.random(c).astype(np.float32)
    windows = {"x": make_window(x), "residual": make_window(residual)}
    out = windows.get(shared, np.full((h + 2, w + 2, stride_of(c)), CANARY))
    native.scale_add_rows(windows["x"], -1, scale, (windows["residual"], -1), out, -1, 0, h, threads=2)
    assert np.array_equal(out[1:-1, 1:-1, :c], x * scale + residual)
    assert (out[1:-1, 1:-1, c:] == 0).all()


def test_scale_add__without_residual(isa: str, rng: np.random.Generator) -> None:
    x = random_map(rng, 3, 5, 16)
    scale = rng.random(16).astype(np.float32)
    out = Guarded.make(3, 5, 16)
    native.scale_add_rows(make_window(x), -1, scale, None, out.window, 0, 0, 3)
    assert np.array_equal(out.inside(), x * scale)
    out.assert_only_written(np.ones((3, 5), np.bool_))


@pytest.mark.parametrize("dtype", ["f32", "bf16"])
@pytest.mark.parametrize("c", [20, 32, 64, 80])
def test_inactive_pixels_are_constants_where_a_mask_is_given(
    isa: str, rng: np.random.Generator, c: int, dtype: str
) -> None:
    h, w = 5, 70
    typed = to_bf16 if dtype == "bf16" else np.copy
    constants, scale = (rng.standard_normal(c).astype(np.float32) for _ in range(2))
    residual = typed(make_window(rng.standard_normal((h, w, c)).astype(np.float32)))
    for active in masks(rng, h, w):
        whole = rng.standard_normal((h, w, c)).astype(np.float32)
        whole[~active] = constants
        partly = np.where(active[:, :, None], whole, np.float32(np.nan))
        outside = (mask_of(active), constants)
        sums, outs = [], []
        for x, known in ((whole, None), (partly, outside)):
            sums.append(np.zeros((h, c)))
            native.row_sums(typed(make_window(x)), -1, 1, 4, sums[-1], known, threads=2)
            outs.append(np.zeros_like(residual))
            native.scale_add_rows(
                typed(make_window(x)), -1, scale, (residual, -1), outs[-1], -1, 0, h, None, known, threads=2
            )
        assert np.array_equal(*sums)
        assert np.array_equal(*outs)
        assert not np.isnan(sums[0]).any()


def test_constants_and_masks_must_fit() -> None:
    x, ones = np.zeros((6, 6, 16), np.float32), np.ones(16, np.float32)
    mask = mask_of(np.ones((4, 4), np.bool_))
    with pytest.raises(ValueError, match="one value per channel"):
        native.row_sums(x, -1, 0, 4, np.zeros((4, 16)), (mask, ones[:15]))
    with pytest.raises(ValueError, match="the same width"):
        native.row_sums(x, -1, 0, 4, np.zeros((4, 16)), (mask_of(np.ones((4, 5), np.bool_)), ones))
    with pytest.raises(ValueError, match="3 rows so far"):
        native.scale_add_rows(x, -1, ones, None, x.copy(), -1, 0, 4, None, (_three_rows(), ones))


def _three_rows() -> native.PixelMask:
    mask = native.PixelMask(4, 4)
    mask.grow(np.zeros((4, 6, 16), np.float32), 0, 3, 1.0)
    return mask


@pytest.mark.parametrize("c", [3, 16, 20])
@pytest.mark.parametrize("activation", ["none", "relu", "leaky_relu"])
@pytest.mark.parametrize("shared", [None, 0, 2])
def test_add__sums_also_in_place(
    isa: str, rng: np.random.Generator, c: int, activation: str, shared: int | None
) -> None:
    h, w, stride = 4, 9, 4 if c == 3 else stride_of(c)
    maps = [rng.standard_normal((h, w, c)).astype(np.float32) for _ in range(3)]
    factors, slopes = np.array([1, -0.5, 2], np.float32), rng.standard_normal(c).astype(np.float32)
    total = maps[0] * factors[0] + maps[1] * factors[1] + maps[2] * factors[2]
    below = {"none": total, "relu": np.zeros_like(total), "leaky_relu": total * slopes}[activation]
    windows = [make_window(x, stride) for x in maps]
    out = np.full((h + 2, w + 2, stride), CANARY) if shared is None else windows[shared]
    native.add_rows(
        [(window, -1) for window in windows], factors, activation, slopes, out, -1, 0, h, threads=2
    )
    assert np.array_equal(out[1:-1, 1:-1, :c], np.where(total < 0, below, total))
    assert (out[1:-1, 1:-1, c:] == 0).all()


def test_add__of_one_map_applies_the_activation(isa: str, rng: np.random.Generator) -> None:
    x, one, slopes = random_map(rng, 3, 5, 16), np.ones(1, np.float32), np.full(16, 0.25, np.float32)
    out = Guarded.make(3, 5, 16)
    native.add_rows([(make_window(x), -1)], one, "leaky_relu", slopes, out.window, 0, 0, 3)
    assert np.array_equal(out.inside(), np.where(x < 0, x * np.float32(0.25), x))
    out.assert_only_written(np.ones((3, 5), np.bool_))


def test_add__refuses_invalid_arguments() -> None:
    x, wide = np.zeros((6, 10, 16), np.float32), np.zeros((6, 10, 32), np.float32)
    one, two, slopes = np.ones(1, np.float32), np.ones(2, np.float32), np.ones(16, np.float32)
    out = np.zeros_like(x)
    native.add_rows([(x, -1)], one, "none", slopes, out, -1, 0, 4)
    for inputs, factors, activation, rows in (
        ([], one[:0], "none", 4),
        ([(x, -1)] * 17, np.ones(17, np.float32), "none", 4),
        ([(x, -1)], two, "none", 4),
        ([(x, -1)], one, "gelu", 4),
        ([(x, -1)], one, "none", 6),
        ([(x[:3], -1)], one, "none", 4),
        ([(x[:, :9].copy(), -1)], one, "none", 4),
        ([(x, -1), (wide, -1)], two, "none", 4),
        ([(out, 0)], one, "none", 4),
    ):
        with pytest.raises(ValueError, match=r"."):
            native.add_rows(inputs, factors, activation, slopes, out, -1, 0, rows)
    with pytest.raises(ValueError, match="room for 16"):
        native.add_rows([(x, -1)], one, "none", np.ones(17, np.float32), out, -1, 0, 4)


def test_maps__refuse_invalid_arguments() -> None:
    x, half = np.zeros((6, 10, 16), np.float32), np.zeros((2, 6, 16), np.float32)
    with pytest.raises(ValueError, match="width 8"):
        native.avg_pool2x2_rows(np.zeros((6, 9, 16), np.float32), -1, half, 0, 0, 2)
    with pytest.raises(ValueError, match="holds rows"):
        native.avg_pool2x2_rows(x, -1, half, 0, 0, 3)
    with pytest.raises(ValueError, match="same stride"):
        native.avg_pool2x2_rows(x, -1, np.zeros((2, 6, 32), np.float32), 0, 0, 2)
    with pytest.raises(ValueError, match="sums"):
        native.row_sums(x, -1, 0, 4, np.zeros((3, 16)))
    with pytest.raises(ValueError, match="float64"):
        native.row_sums(x, -1, 0, 4, np.zeros((4, 16), np.float32))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="room for 16"):
        native.scale_add_rows(x, -1, np.ones(17, np.float32), None, x, -1, 0, 4)
    deconv = native.PackedDeconv(np.zeros((16, 2, 3, 3), np.float32), None)
    out = np.zeros((8, 18, 16), np.float32)
    native.conv_transpose2x_rows(deconv, x, -1, 4, out, 0, 0, 8)
    with pytest.raises(ValueError, match="x_height"):
        native.conv_transpose2x_rows(deconv, x, -1, 3, out, 0, 0, 8)
    with pytest.raises(ValueError, match="holds rows"):
        native.conv_transpose2x_rows(deconv, x[2:], 1, 4, out, 0, 0, 8)
