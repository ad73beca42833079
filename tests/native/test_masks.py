"""Lists of active and inactive pixels."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from native_cases import Guarded, make_window, masks, pixel_numbers

from sparsesr import _native as native


def mask_lists(
    window: np.ndarray, h: int, w: int, bias: float, cuts: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    active, inactive = np.full(h * w, -1, np.int32), np.full(h * w, -1, np.int32)
    counts = (0, 0)
    for r0, r1 in pairwise(cuts):
        # Room for the rows that are still to come, as a whole picture's lists have it.
        counts = native.mask_rows(window, -1, r0, r1, bias, active, counts[0], inactive, counts[1])
    return active[: counts[0]], inactive[: counts[1]]


@pytest.mark.parametrize("bias", [0.0, -0.5, 100.0, -100.0])
def test_mask_rows__lists_are_in_raster_order(isa: str, rng: np.random.Generator, bias: float) -> None:
    h, w = 9, 13
    logits = rng.standard_normal((h, w, 2)).astype(np.float32)
    logits[3, 4] = 0.25  # a tie is inactive
    logits[3, 5, 0] = np.nan
    expected = logits[:, :, 1] + np.float32(bias) > logits[:, :, 0]
    for cuts in ([0, h], [0, 1, 4, h]):
        active, inactive = mask_lists(make_window(logits), h, w, bias, cuts)
        assert np.array_equal(active, pixel_numbers(expected))
        assert np.array_equal(inactive, pixel_numbers(~expected))


def test_mask_rows__refuses_short_lists() -> None:
    logits = np.zeros((4, 6, 16), np.float32)
    room, short = np.zeros(16, np.int32), np.zeros(15, np.int32)
    assert native.mask_rows(logits, 0, 0, 4, 0.0, room, 0, room.copy(), 0) == (0, 16)
    for active, n_active, inactive, n_inactive in (
        (short, 0, room, 0),
        (room, 0, short, 0),
        (room, 1, room, 0),
        (room, -1, room, 0),
        (room.astype(np.int64), 0, room, 0),
    ):
        with pytest.raises(ValueError, match=r"active"):
            native.mask_rows(logits, 0, 0, 4, 0.0, active, n_active, inactive, n_inactive)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="holds rows"):
        native.mask_rows(logits, 1, 0, 4, 0.0, room, 0, room, 0)


def border_of(mask: np.ndarray) -> np.ndarray:
    """Inactive pixels that touch an active one."""
    h, w = mask.shape
    around = np.pad(mask, 1)
    near = np.any([around[y : y + h, x : x + w] for y in range(3) for x in range(3)], axis=0)
    return near & ~mask


def test_border_rows__are_the_inactive_neighbours_of_active_pixels(rng: np.random.Generator) -> None:
    h, w = 12, 7
    for mask in [*masks(rng, h, w), rng.random((h, w)) < 0.1]:
        active, columns = pixel_numbers(mask), w + 2
        border, count = np.full(h * w, -1, np.int32), 0
        for r0, r1 in pairwise([0, 1, 5, h]):
            inside = active[(active >= (r0 - 1) * columns) & (active < (r1 + 1) * columns)]
            count = native.border_rows(inside, w, r0, r1, border, count)
        assert np.array_equal(border[:count], pixel_numbers(border_of(mask)))


def test_border_rows__refuses_what_does_not_fit() -> None:
    active, room = np.array([8], np.int32), np.zeros(8, np.int32)  # row 1, column 2
    assert native.border_rows(active, 4, 0, 2, room, 0) == 5
    with pytest.raises(ValueError, match="pixel outside"):
        native.border_rows(active, 4, 3, 4, room, 0)
    with pytest.raises(ValueError, match="border"):
        native.border_rows(active, 4, 0, 2, room, 1)
    with pytest.raises(ValueError, match="width"):
        native.border_rows(active, 0, 0, 2, room, 0)


def test_fill_pixels__writes_the_last_channels_of_the_listed_pixels_only(
    isa: str, rng: np.random.Generator
) -> None:
    h, w = 11, 9
    for mask in masks(rng, h, w):
        for count in (32, 5):
            out = Guarded.make(h, w, 32)
            before = out.inside()[..., : 32 - count].copy()
            values = rng.standard_normal(count).astype(np.float32)
            native.fill_pixels(out.window, 0, pixel_numbers(mask), values, threads=2)
            assert (out.inside()[mask][:, 32 - count :] == values).all()
            assert np.array_equal(out.inside()[..., : 32 - count], before)
            out.assert_only_written(mask)
    with pytest.raises(ValueError, match="pixel outside"):
        native.fill_pixels(out.window, 0, np.array([0], np.int32), np.zeros(1, np.float32))
    with pytest.raises(ValueError, match="at most 32"):
        native.fill_pixels(out.window, 0, np.array([10 + 1], np.int32), np.zeros(33, np.float32))
