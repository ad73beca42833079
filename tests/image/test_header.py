"""The size that a file's header states."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sparsesr.image.header import stated_pixels
from sparsesr.image.vips import image_over

SAMPLE = Path(__file__).parents[2] / "samples" / "coffee.jpg"


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".gif"])
def test_the_header_is_enough(tmp_path, suffix):
    path = tmp_path / f"image{suffix}"
    image_over(np.zeros((90, 70, 3), np.uint8)).write_to_file(str(path))
    assert stated_pixels(path) == 90 * 70
    assert stated_pixels(SAMPLE) == 480 * 320


def test_cut_short_it_still_states_its_size(tmp_path):
    path = tmp_path / "cut.jpg"
    path.write_bytes(SAMPLE.read_bytes()[:5000])
    assert stated_pixels(path) == 480 * 320


def test_whatever_cannot_be_told_is_none(tmp_path):
    assert stated_pixels(tmp_path / "missing.png") is None
    for name, data in (("text.png", b"hello"), ("none.png", b""), ("own.bmp", b"BM" + bytes(60))):
        (tmp_path / name).write_bytes(data)
        assert stated_pixels(tmp_path / name) is None
