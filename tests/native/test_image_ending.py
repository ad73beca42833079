"""The end of a network in one pass: the same bits as its operations one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from guard_pages import guarded, guarded_copy
from native_cases import make_window

from sparsesr import _native as native


def one_after_the_other(x: Any, image: Any, scale: int, result: Any) -> None:
    """`x` and `image` are windows from row -1 and 0."""
    h, w = len(image), image.shape[1] - 2
    skip = np.zeros((scale * h, scale * w + 2, 4), np.float32)
    native.bicubic_rows(image, 0, h, scale, skip, 0, 0, scale * h)
    out = np.zeros_like(skip)
    native.pixel_shuffle_rows(x, -1, scale, 3, (skip, 0), out, 0, 0, scale * h)
    native.store_rows(out, 0, result, 0, len(result))


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize(("h", "w"), [(1, 1), (5, 67)])
def test_ending__has_the_bits_of_its_operations(
    isa: str, rng: np.random.Generator, scale: int, dtype: Any, h: int, w: int
) -> None:
    x = make_window((rng.standard_normal((h, w, 3 * scale**2)) / 4).astype(np.float32))
    image = make_window(rng.random((h, w, 3)).astype(np.float32), 4)[1:-1]
    size = (max(scale * h - 1, 1), max(scale * w - 1, 1), 3)  # smaller, as if the image had been padded
    result, expected = guarded(size, dtype), np.zeros(size, dtype)
    native.image_ending_rows(x, -1, scale, (image, 0), h, result, 0, size[0], threads=2)
    one_after_the_other(x, image, scale, expected)
    assert np.array_equal(result, expected) and result.any()
    by_rows = np.zeros_like(result)
    for r in range(size[0]):
        native.image_ending_rows(x, -1, scale, (image, 0), h, by_rows, r, r + 1)
    assert np.array_equal(by_rows, expected)


def test_ending__without_a_skip(isa: str, rng: np.random.Generator) -> None:
    x = make_window(rng.random((3, 21, 12)).astype(np.float32))
    result, out = np.zeros((6, 42, 3), np.float32), np.zeros((6, 44, 4), np.float32)
    native.image_ending_rows(x, -1, 2, None, 3, result, 0, 6)
    native.pixel_shuffle_rows(x, -1, 2, 3, None, out, 0, 0, 6)
    assert np.array_equal(result, out[:, 1:-1, :3])


@pytest.mark.parametrize("at_start", [True, False])
def test_ending__stays_within_its_arrays(isa: str, rng: np.random.Generator, at_start: bool) -> None:
    x = guarded_copy(rng.random((3, 23, 16)).astype(np.float32), at_start=at_start)
    image = guarded_copy(rng.random((3, 23, 4)).astype(np.float32), at_start=at_start)
    result = guarded((6, 42, 3), np.uint8, at_start=at_start)
    native.image_ending_rows(x, 0, 2, (image, 0), 3, result, 0, 6, threads=2)
    assert result.any()


def test_ending__refuses_invalid_arguments() -> None:
    x, image = np.zeros((3, 6, 16), np.float32), np.zeros((3, 6, 4), np.float32)
    result = np.zeros((6, 8, 3), np.uint8)
    native.image_ending_rows(x, 0, 2, (image, 0), 3, result, 0, 6)
    for bad in (
        lambda: native.image_ending_rows(x, 0, 0, (image, 0), 3, result, 0, 6),
        lambda: native.image_ending_rows(x, 0, 3, (image, 0), 3, result, 0, 6),
        lambda: native.image_ending_rows(x, 0, 2, (x, 0), 3, result, 0, 6),
        lambda: native.image_ending_rows(x, 0, 2, (image, 1), 3, result, 0, 6),
        lambda: native.image_ending_rows(x, 0, 2, (image, 0), 2, result, 0, 6),
        lambda: native.image_ending_rows(x, 1, 2, (image, 0), 3, result, 0, 6),
        lambda: native.image_ending_rows(x, 0, 2, (image[:, 1:], 0), 3, result, 0, 6),
        lambda: native.image_ending_rows(x, 0, 2, None, 3, result, 0, 7),
        lambda: native.image_ending_rows(x, 0, 2, None, 3, np.zeros((6, 9, 3), np.uint8), 0, 6),
    ):
        with pytest.raises(ValueError, match=r"."):
            bad()
