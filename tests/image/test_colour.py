from __future__ import annotations

import numpy as np
import pytest

from sparsesr.image import colour
from sparsesr.image.colour import ProfileKind, classify_profile
from sparsesr.image.vips import get_blob


def profile_of(path) -> bytes:
    import pyvips

    return get_blob(pyvips.Image.new_from_file(str(path)), "icc-profile-data")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("icc_p3.png", ProfileKind.GAMMA),
        ("icc_png.png", ProfileKind.GAMMA),
        ("icc_big_profile.jpg", ProfileKind.GAMMA),
        ("progressive.jpg", ProfileKind.GAMMA),
        ("truncated.jpg", ProfileKind.GAMMA),
        ("ultra_hdr.jpg", ProfileKind.GAMMA),
        ("rgb16_tmshre.png", ProfileKind.LINEAR),
        ("rgb16_pixel2.png", ProfileKind.LINEAR),
        ("icc_xyb.jpg", ProfileKind.OTHER),
    ],
)
def test_real_profiles(odd_inputs_dir, name, kind):
    assert classify_profile(profile_of(odd_inputs_dir / name), 3) is kind


def test_broken_and_mismatched_profiles(odd_inputs_dir):
    assert classify_profile(b"nonsense", 3) is ProfileKind.BROKEN
    icc = profile_of(odd_inputs_dir / "icc_p3.png")
    assert classify_profile(icc[:200], 3) is ProfileKind.BROKEN
    assert classify_profile(icc, 1) is ProfileKind.BROKEN


def test_srgb_curve():
    levels = np.linspace(0, 1, 1001)
    np.testing.assert_allclose(colour.srgb_decode(colour.srgb_encode(levels)), levels, atol=1e-12)
    assert colour.srgb_encode(np.array([0.2140411])) == pytest.approx(0.5, abs=1e-6)


def test_linear_tables_are_inverses():
    back = colour.output_table(16, 16, is_linear=True)
    assert np.abs(back[colour.linear_to_coded_table(16)].astype(int) - np.arange(65536)).max() <= 1
    back = colour.output_table(16, 8, is_linear=True)
    np.testing.assert_array_equal(back[colour.linear_to_coded_table(8)], np.arange(256))


def test_depth_tables_round():
    assert colour.output_table(8, 8, is_linear=False) is None
    np.testing.assert_array_equal(colour.output_table(8, 16, is_linear=False), np.arange(256) * 257)
    np.testing.assert_array_equal(
        colour.output_table(16, 8, is_linear=False), np.floor(np.arange(65536) / 257 + 0.5)
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_of_equal_channels_is_exact(dtype):
    grey = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(16, -1)
    np.testing.assert_array_equal(colour.to_grey(grey[..., None].repeat(3, 2)), grey)


def test_grey_is_luma():
    rgb = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    assert np.abs(colour.to_grey(rgb) - rgb @ [0.299, 0.587, 0.114]).max() <= 0.51
