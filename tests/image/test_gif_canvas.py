"""A GIF whose first frame does not cover its canvas: transparent there, as in browsers."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from sparsesr.image.decode import decode

COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]


def gif(canvas: tuple[int, int], corner: tuple[int, int], comment: bytes = b"") -> bytes:
    """A frame of 8x6 pixels without transparency, all of the second colour, at a corner (x, y) of a canvas."""
    image = Image.new("P", (8, 6), 1)
    image.putpalette([level for colour in COLOURS for level in colour])
    file = io.BytesIO()
    image.save(file, "GIF", **({"comment": comment} if comment else {}))
    data = bytearray(file.getvalue())
    data[6:10] = struct.pack("<HH", *canvas)
    frame = data.index(struct.pack("<BHHHH", 0x2C, 0, 0, 8, 6))
    data[frame + 1 : frame + 5] = struct.pack("<HH", *corner)
    return bytes(data)


@pytest.mark.parametrize("comment", [b"", b"," * 600])
def test_the_rest_of_the_canvas_is_transparent(comment):
    decoded = decode(gif((20, 16), (5, 4), comment=comment))
    expected = np.zeros((16, 20), np.uint8)
    expected[4:10, 5:13] = 255
    np.testing.assert_array_equal(decoded.alpha, expected)
    assert (decoded.rgb[expected == 255] == COLOURS[1]).all()


@pytest.mark.parametrize(("canvas", "corner"), [((8, 6), (0, 0)), ((6, 4), (0, 0))])
def test_a_frame_that_covers_its_canvas_is_opaque(canvas, corner):
    decoded = decode(gif(canvas, corner))
    assert decoded.alpha is None and decoded.rgb.shape == (6, 8, 3)


def test_a_frame_that_reaches_beyond_its_canvas():
    decoded = decode(gif((10, 8), (5, 4)))
    assert decoded.rgb.shape == (10, 13, 3)
    assert (decoded.alpha[4:, 5:] == 255).all() and decoded.alpha.sum() == 255 * 48
