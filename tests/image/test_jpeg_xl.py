"""JPEG XL is read where libvips can, and refused by name elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
import pyvips

from image.made_files import PHOTO
from sparsesr.errors import InputError
from sparsesr.image.decode import decode
from sparsesr.image.vips import image_over

CAN_READ = hasattr(pyvips.Image, "jxlload_source")


@pytest.mark.skipif(not CAN_READ, reason="libvips without JPEG XL")
def test_lossless_pixels():
    image = image_over(PHOTO).copy(interpretation="srgb")
    decoded = decode(bytes(image.jxlsave_buffer(lossless=True)))
    np.testing.assert_array_equal(decoded.rgb, PHOTO)
    assert decoded.source_format == "jxl"


@pytest.mark.skipif(CAN_READ, reason="libvips with JPEG XL")
@pytest.mark.parametrize("start", [b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"])
def test_it_is_refused_by_name(start):
    with pytest.raises(InputError, match="is JPEG XL, which the installed libvips cannot read"):
        decode(start + bytes(100))
