"""Image conversion, pixel shuffle and bicubic upscaling."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from native_cases import CANARY, Guarded, make_window, stride_of

from sparsesr import _native as native


def random_image(rng: np.random.Generator, h: int, w: int) -> Any:
    return rng.standard_normal((h, w, 3)).astype(np.float32)


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("with_skip", [False, True])
def test_pixel_shuffle__has_the_order_of_torch(
    isa: str, rng: np.random.Generator, scale: int, with_skip: bool
) -> None:
    h, w = 3, 7
    x = rng.standard_normal((h, w, 3 * scale**2)).astype(np.float32)
    cells = x.reshape(h, w, 3, scale, scale).transpose(0, 3, 1, 4, 2).reshape(h * scale, w * scale, 3)
    skip = random_image(rng, h * scale, w * scale)
    out = Guarded.make(h * scale, w * scale, 4)
    placed = (make_window(skip, 4), -1) if with_skip else None
    native.pixel_shuffle_rows(make_window(x), -1, scale, 3, placed, out.window, 0, 0, h * scale, threads=2)
    assert np.array_equal(out.inside(3), cells + skip if with_skip else cells)
    assert (out.inside()[:, :, 3] == 0).all()
    out.assert_only_written(np.ones((h * scale, w * scale), np.bool_))


def test_pixel_shuffle__adds_in_place(isa: str, rng: np.random.Generator) -> None:
    x = rng.standard_normal((2, 3, 12)).astype(np.float32)
    skip = make_window(random_image(rng, 4, 6), 4)
    apart = np.zeros_like(skip)
    native.pixel_shuffle_rows(make_window(x), -1, 2, 3, (skip, -1), apart, -1, 0, 4)
    native.pixel_shuffle_rows(make_window(x), -1, 2, 3, (skip, -1), skip, -1, 0, 4)
    assert np.array_equal(skip, apart)


@pytest.mark.parametrize(("scale", "c"), [(2, 64), (3, 64), (2, 5), (4, 17), (5, 2)])
def test_pixel_shuffle__of_maps_row_by_row(isa: str, rng: np.random.Generator, scale: int, c: int) -> None:
    h, w = 3, 7
    x = rng.standard_normal((h, w, c * scale**2)).astype(np.float32)
    cells = x.reshape(h, w, c, scale, scale).transpose(0, 3, 1, 4, 2).reshape(h * scale, w * scale, c)
    out = Guarded.make(h * scale, w * scale, stride_of(c))
    for r in range(h * scale):
        part = np.ascontiguousarray(make_window(x)[r // scale + 1][None])
        native.pixel_shuffle_rows(part, r // scale, scale, c, None, out.window, 0, r, r + 1)
    assert np.array_equal(out.inside(c), cells)
    assert (out.inside()[:, :, c:] == 0).all()
    out.assert_only_written(np.ones((h * scale, w * scale), np.bool_))


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 8])
@pytest.mark.parametrize(("h", "w"), [(1, 1), (2, 3), (5, 63), (4, 64), (3, 130)])
def test_bicubic__agrees_with_torch(isa: str, rng: np.random.Generator, h: int, w: int, scale: int) -> None:
    torch = pytest.importorskip("torch")
    x = random_image(rng, h, w)
    # In float64, because torch computes pixel positions in the type of the image.
    image = torch.from_numpy(x.transpose(2, 0, 1)[None].astype(np.float64))
    resized = torch.nn.functional.interpolate(image, scale_factor=scale, mode="bicubic", align_corners=False)
    out = Guarded.make(h * scale, w * scale, 4)
    native.bicubic_rows(make_window(x, 4)[1:-1], 0, h, scale, out.window, 0, 0, h * scale, threads=2)
    np.testing.assert_allclose(out.inside(3), resized[0].numpy().transpose(1, 2, 0), atol=1e-5)
    assert (out.inside()[:, :, 3] == 0).all()
    out.assert_only_written(np.ones((h * scale, w * scale), np.bool_))


def test_bicubic__keeps_constants_and_rows_can_be_cut(isa: str, rng: np.random.Generator) -> None:
    x = random_image(rng, 9, 70)
    x[:, :, 1] = 0.5
    window = make_window(x, 4)
    whole = np.zeros((27, 212, 4), np.float32)
    native.bicubic_rows(window, -1, 9, 3, whole, 0, 0, 27)
    np.testing.assert_allclose(whole[:, 1:-1, 1], 0.5, atol=1e-6)
    cut = np.zeros_like(whole)
    for r in range(27):
        first = min(max((r - 1) // 3 - 1, 0), 8)
        part = np.ascontiguousarray(window[first + 1 : min(first + 5, 10)])
        native.bicubic_rows(part, first, 9, 3, cut, 0, r, r + 1)
    assert np.array_equal(cut, whole)


@pytest.mark.parametrize(("dtype", "white"), [(np.uint8, 255), (np.uint16, 65535)])
def test_image_rows__scales_subtracts_and_repeats_the_edge(
    isa: str, rng: np.random.Generator, dtype: Any, white: int
) -> None:
    image = rng.integers(0, white, (5, 7, 3), endpoint=True).astype(dtype)
    offset = np.array([0.4488, 0.4371, 0.4040], np.float32)
    out = Guarded.make(6, 8, 4)
    native.image_rows(image, offset, out.window, 0, 0, 6, 6, 8, threads=2)
    padded = np.pad(image, ((0, 1), (0, 1), (0, 0)), mode="edge").astype(np.float32)
    assert np.array_equal(out.inside(3), padded / np.float32(white) - offset)
    assert (out.inside()[:, :, 3] == 0).all()
    out.assert_only_written(np.ones((6, 8), np.bool_))


def test_image_rows__floats_pass_unscaled(isa: str, rng: np.random.Generator) -> None:
    image = random_image(rng, 4, 6)
    out = np.zeros((2, 8, 4), np.float32)
    native.image_rows(image, np.zeros(3, np.float32), out, 1, 1, 3, 4, 6)
    assert np.array_equal(out[:, 1:-1, :3], image[1:3])


@pytest.mark.parametrize(("dtype", "white"), [(np.uint8, 255), (np.uint16, 65535)])
def test_store_rows__clips_rounds_half_up_and_crops(
    isa: str, rng: np.random.Generator, dtype: Any, white: int
) -> None:
    x = (rng.random((6, 8, 3)) * 1.4 - 0.2).astype(np.float32)
    x[0, 0] = [np.nan, np.inf, -np.inf]
    x[0, 1] = np.array([0.5, 1.5, 2.5]) / np.float32(white)
    out = np.full((5, 7, 3), 77, dtype)
    native.store_rows(make_window(x, 4), -1, out, 0, 4, threads=2)
    clipped = np.clip(np.nan_to_num(x[:4, :7], nan=0.0), 0, 1)
    assert np.array_equal(out[:4], np.floor(clipped * np.float32(white) + np.float32(0.5)).astype(dtype))
    assert (out[4] == 77).all()


def test_store_rows__floats_are_not_clipped(isa: str, rng: np.random.Generator) -> None:
    x = random_image(rng, 6, 8)
    out = np.full((6, 8, 3), CANARY)
    native.store_rows(make_window(x, 4), -1, out, 0, 6)
    assert np.array_equal(out, x)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_image_and_store__are_inverse(isa: str, dtype: Any) -> None:
    values = np.arange(np.iinfo(dtype).max + 1).astype(dtype).reshape(-1, 16)
    image = np.repeat(values[:, :, None], 3, axis=2)
    h, w, _ = image.shape
    window = np.zeros((h, w + 2, 4), np.float32)
    native.image_rows(image, np.zeros(3, np.float32), window, 0, 0, h, h, w)
    back = np.zeros_like(image)
    native.store_rows(window, 0, back, 0, h)
    assert np.array_equal(image, back)


def test_images__refuse_invalid_arguments() -> None:
    window, big = np.zeros((4, 6, 4), np.float32), np.zeros((8, 10, 4), np.float32)
    image, offset = np.zeros((4, 4, 3), np.uint8), np.zeros(3, np.float32)
    native.bicubic_rows(window, 0, 4, 2, big, 0, 0, 8)
    native.pixel_shuffle_rows(window, 0, 2, 1, None, big, 0, 0, 8)
    native.image_rows(image, offset, window, 0, 0, 4, 4, 4)
    native.store_rows(window, 0, image, 0, 4)
    for bad in (
        lambda: native.bicubic_rows(window, 0, 4, 0, big, 0, 0, 8),
        lambda: native.bicubic_rows(window, 0, 4, 9, big, 0, 0, 8),
        lambda: native.bicubic_rows(window, 0, 3, 2, big, 0, 0, 8),
        lambda: native.bicubic_rows(window[:2], 0, 4, 2, big, 0, 0, 8),
        lambda: native.bicubic_rows(np.zeros((4, 6, 16), np.float32), 0, 4, 2, big, 0, 0, 8),
        lambda: native.pixel_shuffle_rows(window, 0, 2, 3, None, big, 0, 0, 4),
        lambda: native.pixel_shuffle_rows(window, 0, 2, 0, None, big, 0, 0, 4),
        lambda: native.pixel_shuffle_rows(window, 0, 2, 1, None, big, 0, 0, 9),
        lambda: native.pixel_shuffle_rows(window, 0, 2, 1, (window, 0), big, 0, 0, 8),
        lambda: native.pixel_shuffle_rows(window, 0, 9, 1, None, big, 0, 0, 8),
        lambda: native.image_rows(image, offset, window, 0, 0, 5, 4, 4),
        lambda: native.image_rows(image, offset, window, 0, 0, 3, 3, 4),
        lambda: native.image_rows(image, offset[:2], window, 0, 0, 4, 4, 4),
        lambda: native.image_rows(image[:, :, :2], offset, window, 0, 0, 4, 4, 4),
        lambda: native.image_rows(image.astype(np.int8), offset, window, 0, 0, 4, 4, 4),  # type: ignore[arg-type]
        lambda: native.store_rows(window, 0, image, 0, 5),
        lambda: native.store_rows(window, 0, np.zeros((4, 5, 3), np.uint8), 0, 4),
        lambda: native.store_rows(window, 0, image[:, ::-1], 0, 4),
    ):
        with pytest.raises(ValueError, match=r"."):
            bad()
