from __future__ import annotations

import string

import numpy as np
import pytest

from sparsesr.image.lettering import write_on

WHITE = (255, 255, 255)


def written(text: str, size: int = 2, *, width: int = 200, **place) -> np.ndarray:
    canvas = np.zeros((40, width, 3), np.uint8)
    write_on(canvas, text, 10, 5, WHITE, size, **place)
    return canvas


def box(canvas: np.ndarray) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of the drawn pixels, ends excluded."""
    rows, columns = np.nonzero(canvas[..., 0] > 64)
    return rows.min(), rows.max() + 1, columns.min(), columns.max() + 1


def test_characters_are_distinct():
    characters = string.ascii_letters + string.digits + ".,:%-+/()_=?<>&"
    assert len({written(character).tobytes() for character in characters}) == len(characters)


def test_letters_share_a_baseline_at_the_given_position():
    top, bottom, left, _ = box(written("M"))
    assert abs(top - 10) <= 1 and abs(bottom - 24) <= 1 and 5 <= left <= 7
    assert abs(box(written("x"))[1] - bottom) <= 1
    assert box(written("gM"))[1] > bottom + 1
    assert box(written("M", size=1))[1] < bottom


def test_text_can_be_right_aligned():
    assert 150 <= box(written("right", right=155))[3] <= 155
    assert box(written("much too long to end there", right=60))[2] >= 5


def test_the_colour_is_blended_and_text_is_clipped():
    canvas = np.full((12, 30, 3), 100, np.uint8)
    write_on(canvas, "Mmmmm", 4, 20, (200, 50, 100))
    assert canvas[..., 0].min() == 100 and canvas[..., 0].max() == pytest.approx(200, abs=20)
    assert canvas[..., 1].max() == 100 and canvas[..., 1].min() == pytest.approx(50, abs=10)
    assert (canvas[..., 2] == 100).all() and (canvas[:, :20] == 100).all()
