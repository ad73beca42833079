"""Sets of pixels as bits, and operations at listed pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsesr import _native as native
from sparsesr.runtime.pixel_sets import count_of, flags_of, pixel_set, shrunk, spread


def flags(height: int, width: int, seed: int = 0, share: float = 0.1) -> np.ndarray:
    return np.random.default_rng(seed).random((height, width)) < share


@settings(max_examples=60, deadline=None)
@given(height=st.integers(1, 20), width=st.integers(1, 150), by=st.integers(0, 5), seed=st.integers(0, 99))
def test_sets(height, width, by, seed):
    some = flags(height, width, seed, 0.02)
    pixels = pixel_set(some)
    np.testing.assert_array_equal(flags_of(pixels, width), some)
    assert count_of(pixels) == some.sum()
    near = np.zeros_like(some)
    for row, column in np.argwhere(some):
        near[max(0, row - by) : row + by + 1, max(0, column - by) : column + by + 1] = True
    np.testing.assert_array_equal(flags_of(spread(pixels, width, by), width), near)
    if height > 1 and width > 1:
        half = flags_of(shrunk(pixels, width, 2), width // 2)
        for row, column in np.ndindex(half.shape):
            assert half[row, column] == some[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].any()


def test_a_mask_of_given_pixels_has_their_lists_and_words():
    some = flags(9, 70)
    mask = native.PixelMask(9, 70)
    mask.fill(pixel_set(some))
    np.testing.assert_array_equal(mask.image(9, 70), some)
    np.testing.assert_array_equal(mask.words(), pixel_set(some))
    rows, columns = np.nonzero(some)
    np.testing.assert_array_equal(mask.active(0, 9), rows * 72 + columns + 1)
    assert mask.border_rows == 9


@pytest.mark.parametrize("threads", [1, 3])
def test_a_convolution_at_listed_pixels_leaves_others_alone(threads):
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(16, 16, 3, 3)).astype(np.float32)
    packed = native.PackedConv(weights, None, [16])
    x = rng.normal(size=(12, 72, 16)).astype(np.float32)
    everywhere, out = (np.full((10, 72, 16), 7, np.float32) for _ in range(2))
    some = flags(10, 70, share=0.3)
    native.conv_rows(packed, [(x, -1)], everywhere, 0, 0, 10)
    native.conv_rows(
        packed, [(x, -1)], out, 0, 0, 10, pixels=native.PixelList(pixel_set(some), 70), threads=threads
    )
    np.testing.assert_array_equal(out[:, 1:-1][some], everywhere[:, 1:-1][some])
    assert (out[:, 1:-1][~some] == 7).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_the_ending_writes_what_becomes_of_listed_pixels(dtype):
    """Also where padding was added at the right."""
    rng = np.random.default_rng(2)
    x = rng.random((8, 72, 16), np.float32) - 0.5
    image = rng.random((12, 72, 4), np.float32)
    some = flags(8, 70, share=0.3)
    whole, out = (np.full((16, 137, 3), 9, dtype) for _ in range(2))
    native.image_ending_rows(x, 0, 2, (image, -2), 8, whole, 0, 16)
    native.image_ending_rows(
        x, 0, 2, (image, -2), 8, out, 0, 16, pixels=native.PixelList(pixel_set(some), 70), threads=2
    )
    written = some.repeat(2, axis=0).repeat(2, axis=1)[:, :137]
    np.testing.assert_array_equal(out, np.where(written[..., None], whole, dtype(9)))


def test_wrong_sets_are_refused():
    words = np.zeros((4, 2), np.uint64)
    beyond = words.copy()
    beyond[0, 1] = 1 << 40
    for array, width in ((words, 64), (words, 129), (beyond, 100), (words[:, ::2], 64), (words[0], 64)):
        with pytest.raises(ValueError, match="words"):
            native.PixelList(array, width)
    with pytest.raises(ValueError, match="uint64"):
        native.PixelList(words.astype(np.int32), 100)
    with pytest.raises(ValueError, match="5 rows"):
        native.PixelMask(5, 100).fill(words)
    packed = native.PackedConv(np.ones((16, 16, 1, 1), np.float32), None, [16])
    x, out = (np.zeros((6, 102, 16), np.float32) for _ in range(2))
    for pixels, message in ((native.PixelList(words, 100), "4 rows"), (native.PixelList(words, 99), "width")):
        with pytest.raises(ValueError, match=message):
            native.conv_rows(packed, [(x, 0)], out, 0, 0, 6, pixels=pixels)
