"""Pixels as tokens: unfold, fold, layer norm, attention within segments; and bilinear interpolation."""

from __future__ import annotations

import numpy as np
import pytest
from native_cases import CANARY, F32, F64, Guarded, make_window, random_map, stride_of

from sparsesr import _native as native


def patches(x: F32) -> F32:
    """Neighbourhoods (h, w, 9 c), grouped by channel."""
    h, w, c = x.shape
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    taps = [padded[dy : dy + h, dx : dx + w] for dy in range(3) for dx in range(3)]
    return np.stack(taps, axis=3).reshape(h, w, 9 * c)


@pytest.mark.parametrize(("h", "w", "c"), [(1, 1, 1), (4, 7, 5), (3, 9, 32)])
def test_unfold__is_the_neighbourhood(isa: str, rng: np.random.Generator, h: int, w: int, c: int) -> None:
    x = random_map(rng, h, w, c)
    out = Guarded.make(h, w, stride_of(9 * c))
    native.unfold3x3_rows(make_window(x), -1, c, out.window, 0, 0, h, threads=2)
    assert np.array_equal(out.inside(9 * c), patches(x))
    assert (out.inside()[:, :, 9 * c :] == 0).all()
    out.assert_only_written(np.ones((h, w), np.bool_))


@pytest.mark.parametrize(("h", "w", "c"), [(1, 1, 1), (4, 7, 5), (3, 9, 32)])
def test_fold__is_the_adjoint_of_unfold(isa: str, rng: np.random.Generator, h: int, w: int, c: int) -> None:
    x = rng.standard_normal((h, w, 9 * c)).astype(np.float32)
    expected = np.zeros((h + 2, w + 2, c))
    for dy in range(3):
        for dx in range(3):
            expected[dy : dy + h, dx : dx + w] += x[:, :, 3 * dy + dx :: 9]
    out = Guarded.make(h, w, stride_of(c))
    native.fold3x3_rows(make_window(x), -1, c, out.window, 0, 0, h, threads=2)
    np.testing.assert_allclose(out.inside(c), expected[1:-1, 1:-1], atol=1e-5)
    assert (out.inside()[:, :, c:] == 0).all()
    out.assert_only_written(np.ones((h, w), np.bool_))


def test_fold__sums_nine_six_or_four(isa: str) -> None:
    out = np.zeros((5, 8, 16), np.float32)
    native.fold3x3_rows(make_window(np.ones((5, 6, 9), np.float32)), -1, 1, out, 0, 0, 5)
    assert out[2, 3, 0] == 9 and out[0, 3, 0] == 6 and out[4, 6, 0] == 4


@pytest.mark.parametrize("c", [1, 5, 16, 72, 288])
def test_layer_norm__is_the_formula(isa: str, rng: np.random.Generator, c: int) -> None:
    x = (rng.standard_normal((3, 7, c)) * 3 + 100).astype(np.float32)  # a large mean, on purpose
    x[0, 0] = 1.5  # zero variance
    weight, bias = (rng.standard_normal(c).astype(np.float32) for _ in range(2))
    wide = x.astype(np.float64)
    centred = wide - wide.mean(axis=2, keepdims=True)
    expected = centred / np.sqrt(np.square(centred).mean(axis=2, keepdims=True) + 1e-5) * weight + bias
    out = Guarded.make(3, 7, stride_of(c))
    native.layer_norm_rows(make_window(x), -1, weight, bias, 1e-5, out.window, 0, 0, 3, threads=2)
    np.testing.assert_allclose(out.inside(c), expected, atol=2e-4)
    assert (out.inside()[:, :, c:] == 0).all()
    out.assert_only_written(np.ones((3, 7), np.bool_))
    shared = make_window(x)
    native.layer_norm_rows(shared, -1, weight, bias, 1e-5, shared, -1, 0, 3)
    assert np.array_equal(shared[1:-1, 1:-1], out.inside())


# --- attention ---


def attention_reference(qkv: F32, heads: int, dim: int, length: int, scale: float) -> F64:
    h, w, _ = qkv.shape
    tokens, width = qkv.reshape(h * w, -1).astype(np.float64), heads * dim
    out = np.zeros((h * w, width))
    for first in range(0, h * w, length):
        rows = slice(first, first + length)
        for head in range(heads):
            own = slice(head * dim, (head + 1) * dim)
            q, k, v = (tokens[rows, part * width : (part + 1) * width][:, own] for part in range(3))
            scores = q @ k.T * scale
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            out[rows, own] = weights / weights.sum(axis=1, keepdims=True) @ v
    return out.reshape(h, w, width)


def attend(qkv: F32, heads: int, dim: int, length: int, rows: int | None = None, threads: int = 2) -> F32:
    h, w, _ = qkv.shape
    out = Guarded.make(h, w, stride_of(heads * dim))
    window = make_window(qkv)
    for r0 in range(0, h, rows or h):
        r1 = min(h, r0 + (rows or h))
        native.segment_attention_rows(window, -1, h, heads, dim, length, 0.3, out.window, 0, r0, r1, threads)
    assert (out.inside()[:, :, heads * dim :] == 0).all()
    out.assert_only_written(np.ones((h, w), np.bool_))
    return out.inside(heads * dim)


SHAPES = [(1, 1, 1, 1), (3, 5, 2, 3), (8, 9, 8, 18), (13, 31, 3, 32), (20, 37, 2, 9), (17, 24, 1, 7)]


@pytest.mark.parametrize(("h", "w", "heads", "dim"), SHAPES)
def test_attention__is_the_softmax_of_its_segment(
    isa: str, rng: np.random.Generator, h: int, w: int, heads: int, dim: int
) -> None:
    qkv = (rng.standard_normal((h, w, 3 * heads * dim)) * 1.5).astype(np.float32)
    for length in {1, 2, max(1, h * w // 4), h * w, h * w + 5}:
        expected = attention_reference(qkv, heads, dim, length, 0.3)
        np.testing.assert_allclose(attend(qkv, heads, dim, length), expected, atol=1e-5)


def test_attention__handles_widely_spread_scores(isa: str, rng: np.random.Generator) -> None:
    qkv = (rng.standard_normal((9, 31, 54)) * 30).astype(np.float32)
    expected = attention_reference(qkv, 1, 18, 80, 0.3)
    assert np.abs(expected).max() > 30
    np.testing.assert_allclose(attend(qkv, 1, 18, 80), expected, atol=2e-2)  # scores in the thousands


@pytest.mark.parametrize("rows", [1, 2, 5])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_attention__bits_do_not_depend_on_bands_or_threads(
    isa: str, rng: np.random.Generator, rows: int, threads: int
) -> None:
    qkv = rng.standard_normal((11, 29, 108)).astype(np.float32)
    assert np.array_equal(attend(qkv, 2, 18, 79, rows, threads), attend(qkv, 2, 18, 79, None, 1))


# --- bilinear ---


@pytest.mark.parametrize(
    ("size", "to"), [((3, 4), (6, 8)), ((3, 4), (7, 9)), ((1, 1), (2, 3)), ((2, 1), (5, 2))]
)
def test_bilinear__aligns_corners(
    isa: str, rng: np.random.Generator, size: tuple[int, int], to: tuple[int, int]
) -> None:
    torch = pytest.importorskip("torch")
    x = rng.standard_normal((*size, 5)).astype(np.float32)
    planes = torch.from_numpy(np.ascontiguousarray(x.transpose(2, 0, 1)))[None]
    expected = torch.nn.functional.interpolate(planes, to, mode="bilinear", align_corners=True)[0].numpy()
    out = Guarded.make(*to, 16)
    native.bilinear_rows(make_window(x)[1:-1], 0, size[0], out.window, 0, to[0], 0, to[0], threads=2)
    np.testing.assert_allclose(out.inside(5), expected.transpose(1, 2, 0), atol=1e-5)
    out.assert_only_written(np.ones(to, np.bool_))


def test_pooling__drops_an_odd_row_and_column(isa: str, rng: np.random.Generator) -> None:
    x, out = random_map(rng, 5, 7, 16), Guarded.make(2, 3, 16)
    native.avg_pool2x2_rows(make_window(x), -1, out.window, 0, 0, 2)
    expected = x[:4, :6].reshape(2, 2, 3, 2, 16).astype(np.float64).mean(axis=(1, 3))
    np.testing.assert_allclose(out.inside(), expected, rtol=1e-5, atol=1e-3)
    with pytest.raises(ValueError, match="holds rows"):
        native.avg_pool2x2_rows(make_window(x)[:-2], -1, np.zeros((3, 5, 16), np.float32), 0, 0, 3)


def test_tokens__refuse_invalid_arguments() -> None:
    x, out = np.zeros((6, 10, 48), np.float32), np.full((4, 10, 16), CANARY)
    attention = (x, -1, 4, 2, 8, 8, 1.0, out, 0, 0, 4)
    native.segment_attention_rows(*attention)
    bad = {
        2: (6, "holds rows"),
        3: (0, "heads"),
        4: (33, "head_dim"),
        5: (0, "segment_tokens"),
        7: (np.zeros((4, 9, 16), np.float32), "width"),
    }
    for index, (value, message) in bad.items():
        with pytest.raises(ValueError, match=message):
            native.segment_attention_rows(*attention[:index], value, *attention[index + 1 :])
    with pytest.raises(ValueError, match="room for 48"):
        native.segment_attention_rows(x, -1, 4, 2, 9, 8, 1.0, out, 0, 0, 4)
    with pytest.raises(ValueError, match="shares memory"):
        native.segment_attention_rows(x, -1, 4, 1, 16, 8, 1.0, x, -1, 0, 4)
    with pytest.raises(ValueError, match="holds rows"):
        native.unfold3x3_rows(x[1:], 0, 1, out, 0, 0, 4)
    with pytest.raises(ValueError, match="room for 16"):
        native.unfold3x3_rows(x, -1, 2, out, 0, 0, 4)
    with pytest.raises(ValueError, match="equally long"):
        native.layer_norm_rows(x, -1, np.ones(4, np.float32), np.ones(5, np.float32), 1e-5, out, 0, 0, 4)
    with pytest.raises(ValueError, match="out_height"):
        native.bilinear_rows(x, -1, 4, np.zeros((8, 18, 48), np.float32), 0, 7, 0, 8)
