"""Colours that files state by numbers: converted, carried over as a profile, or kept as stated."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from image.made_files import GREY, PHOTO, bmp_with_profile, chrm, cicp, gama, iccp, png, tiff
from sparsesr.image.decode import decode
from sparsesr.image.encode import EncodeOptions, encode
from sparsesr.image.samples import to_eight_bit

P3 = (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
BT709 = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def to_xyz(chromaticities: tuple[float, ...]) -> np.ndarray:
    """Linear RGB to XYZ (Lindbloom); all spaces here share the white D65, so nothing is adapted."""
    white, *primaries = np.reshape(chromaticities, (4, 2))
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    return columns * np.linalg.solve(columns, [white[0] / white[1], 1, (1 - white.sum()) / white[1]])


def in_srgb(samples: np.ndarray, gamma: float | None, chromaticities: tuple[float, ...]) -> np.ndarray:
    """8-bit samples of a space with a pure gamma, or the curve of sRGB (None), in sRGB."""
    levels = samples / 255.0
    srgb_light = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    light = srgb_light if gamma is None else levels**gamma
    light = np.clip(light @ (np.linalg.inv(to_xyz(BT709)) @ to_xyz(chromaticities)).T, 0, 1)
    coded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(coded * 255)


def as_shown(data: bytes) -> np.ndarray:
    """The pixels of a file in sRGB, as a viewer with colour management (Little CMS) shows them."""
    image = Image.open(io.BytesIO(data))
    pixels, profile = image.convert("RGB"), image.info.get("icc_profile")
    if profile is not None:
        source, srgb = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
        pixels = ImageCms.profileToProfile(pixels, source, srgb, renderingIntent=1, outputMode="RGB")
    return np.asarray(pixels).astype(int)


def muted(samples: np.ndarray) -> np.ndarray:
    """Colours that sRGB can hold whatever the primaries."""
    return (96 + samples // 4).astype(np.uint8)


@pytest.mark.parametrize("format", ["png", "jpeg", "webp", "tiff"])
@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.6])
def test_results_look_like_a_file_with_gamma(format, gamma):
    decoded = decode(png(PHOTO, gama(1 / gamma)))
    shown = as_shown(encode(decoded, None, format=format, options=EncodeOptions(quality=100)).data)
    expected = in_srgb(PHOTO, gamma, BT709)
    assert np.abs(shown - expected).mean() < {"png": 0.1, "tiff": 0.1, "jpeg": 1.5, "webp": 4}[format]


@pytest.mark.parametrize("format", ["png", "jpeg", "tiff"])
def test_results_look_like_a_file_with_other_primaries(format):
    samples = muted(PHOTO)
    decoded = decode(png(samples, gama(1 / 2.2), chrm(*P3)))
    np.testing.assert_array_equal(decoded.rgb, samples)
    assert "kept as a colour profile" in decoded.notes[0]
    shown = as_shown(encode(decoded, None, format=format, options=EncodeOptions(quality=100)).data)
    assert np.abs(shown - in_srgb(samples, 2.2, P3)).mean() < (1.5 if format == "jpeg" else 0.6)
    assert np.abs(shown - samples).mean() > 2, "the primaries matter"


def test_linear_light_with_other_primaries_stays_linear():
    decoded = decode(png(PHOTO, gama(1.0), chrm(*P3)))
    assert decoded.transfer == "linear"
    shown = as_shown(encode(decoded, None, format="png").data)
    assert np.abs(shown - in_srgb(PHOTO, 1.0, P3)).mean() < 0.6


def test_chunks_that_state_srgb_change_nothing():
    for chunks in ((gama(1 / 2.2), chrm(*BT709)), (cicp(1, 13, 0, 1),), (chrm(*BT709),)):
        decoded = decode(png(PHOTO, *chunks))
        np.testing.assert_array_equal(decoded.rgb, PHOTO)
        assert (decoded.notes, decoded.metadata.icc) == ([], None)
        assert all(chunk in encode(decoded, None, format="png").data for chunk in chunks)


@pytest.mark.parametrize("chunks", [(chrm(*[0.0] * 8),), (chrm(*[0.3] * 8), gama(0.45455)), (gama(20.0),)])
def test_nonsense_is_ignored(chunks):
    decoded = decode(png(PHOTO, *chunks))
    np.testing.assert_array_equal(decoded.rgb, PHOTO)
    assert decoded.metadata.icc is None


def test_grey_has_no_primaries():
    decoded = decode(png(GREY, gama(1 / 2.2), chrm(*P3)))
    assert decoded.metadata.icc is None
    np.testing.assert_array_equal(decoded.rgb[..., 0], GREY)


def test_code_points_of_display_p3_become_a_profile_and_stay():
    samples, stated = muted(PHOTO), cicp(12, 13, 0, 1)
    decoded = decode(png(samples, stated))
    np.testing.assert_array_equal(decoded.rgb, samples)
    written = encode(decoded, None, format="png").data
    assert stated in written
    assert b"iCCP" in written
    expected = in_srgb(samples, None, P3)
    assert np.abs(as_shown(written) - expected).mean() < 0.6
    assert np.abs(as_shown(encode(decoded, None, format="tiff").data) - expected).mean() < 0.6


def test_code_points_come_before_gamma_and_linear_ones_are_converted():
    decoded = decode(png(PHOTO, cicp(1, 8, 0, 1), gama(1 / 2.2)))
    assert np.abs(to_eight_bit(decoded.rgb) - in_srgb(PHOTO, 1.0, BT709)).max() <= 1
    assert b"cICP" not in encode(decoded, None, format="png").data, "it would be false now"


@pytest.mark.parametrize(
    ("numbers", "words"), [((9, 16, 0, 1), "PQ"), ((9, 18, 0, 1), "HLG"), ((1, 13, 0, 0), "1/13/0/0")]
)
def test_what_no_profile_describes_is_carried_or_said(numbers, words):
    decoded = decode(png(PHOTO, cicp(*numbers)))
    np.testing.assert_array_equal(decoded.rgb, PHOTO)
    as_png, as_jpeg = (encode(decoded, None, format=format) for format in ("png", "jpeg"))
    assert cicp(*numbers) in as_png.data
    assert as_png.notes == []
    assert words in as_jpeg.notes[0]
    assert "only PNG states them, JPEG does not" in as_jpeg.notes[0]


def test_code_points_beside_a_profile_are_both_kept():
    stated = cicp(9, 16, 0, 1)
    decoded = decode(png(PHOTO, iccp(SRGB_PROFILE), stated, gama(1.0)))
    assert decoded.metadata.icc == SRGB_PROFILE
    np.testing.assert_array_equal(decoded.rgb, PHOTO)
    written = encode(decoded, None, format="png").data
    assert stated in written
    assert b"iCCP" in written
    assert b"gAMA" not in written
    assert encode(decoded, None, format="jpeg").notes == []


def avif(primaries: int, transfer: int) -> bytes:
    """An AVIF by Pillow whose ``colr`` box states these numbers."""
    buffer = io.BytesIO()
    Image.fromarray(muted(PHOTO)).save(buffer, "AVIF", quality=100, subsampling="4:4:4")
    data = bytearray(buffer.getvalue())
    at = data.index(b"nclx") + 4
    data[at : at + 4] = bytes([0, primaries, 0, transfer])
    return bytes(data)


def test_avif_in_display_p3_without_a_profile():
    decoded = decode(avif(12, 13))
    assert "kept as a colour profile" in decoded.notes[0]
    shown = as_shown(encode(decoded, None, format="png").data)
    assert np.abs(shown - in_srgb(muted(PHOTO), None, P3)).mean() < 2
    assert decode(avif(1, 13)).notes == []


def test_hdr_avif_says_so_in_png():
    decoded = decode(avif(9, 16))
    assert cicp(9, 16, 0, 1) in encode(decoded, None, format="png").data
    assert "HDR colours (PQ)" in encode(decoded, None, format="jpeg").notes[0]


def test_tiff_that_states_its_primaries():
    def rationals(tag: int, values) -> tuple:
        return tag, "2I", len(values), [n for value in values for n in (round(value * 10_000), 10_000)], True

    samples = muted(PHOTO)
    plain, wide = (
        decode(tiff(samples, extratags=[rationals(318, points[:2]), rationals(319, points[2:])]))
        for points in (BT709, P3)
    )
    assert plain.metadata.icc is None
    np.testing.assert_array_equal(wide.rgb, samples)
    shown = as_shown(encode(wide, None, format="tiff").data)
    assert np.abs(shown - in_srgb(samples, None, P3)).mean() < 0.6


def grey_profile(gamma: float) -> bytes:
    """A grey profile of version 2 with a pure gamma."""
    d50 = b"XYZ " + struct.pack(">4xiii", *(round(v * 65536) for v in (0.9642, 1.0, 0.8249)))
    text = b"desc" + struct.pack(">4xI", 2) + b"g\0" + bytes(80)
    curve = b"curv" + struct.pack(">4xIH2x", 1, round(gamma * 256))
    tags = {b"desc": text, b"wtpt": d50, b"kTRC": curve, b"cprt": b"text\0\0\0\0none"}
    table, data = struct.pack(">I", len(tags)), b""
    for name, body in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(data), len(body))
        data += body.ljust(-(-len(body) // 4) * 4, b"\0")
    size = 128 + len(table) + len(data)
    head = struct.pack(">I4xI12s12x4s", size, 0x02400000, b"mntrGRAYXYZ ", b"acsp")
    return (head + bytes(28) + d50[8:]).ljust(128, b"\0") + table + data


@pytest.mark.parametrize("format", ["webp", "avif"])
@pytest.mark.parametrize("gamma", [1.0, 1.8])
def test_grey_looks_the_same_in_formats_that_store_it_as_rgb(format, gamma):
    coded = np.round((GREY / 255) ** (2.2 / gamma) * 65535).astype(np.uint16)
    decoded = decode(tiff(coded, iccprofile=grey_profile(gamma)))
    encoded = encode(decoded, None, format=format, options=EncodeOptions(lossless=True))
    assert any("converted to sRGB" in note for note in encoded.notes)
    expected = in_srgb(np.dstack([GREY] * 3), 2.2, BT709)
    assert np.abs(as_shown(encoded.data) - expected).max() <= 3


def test_cmyk_with_a_profile_for_rgb():
    buffer = io.BytesIO()
    Image.fromarray(PHOTO).convert("CMYK").save(buffer, "JPEG", icc_profile=SRGB_PROFILE)
    assert decode(buffer.getvalue()).notes == ["CMYK converted to sRGB (a generic profile)"]


def test_of_chunks_of_a_kind_the_first_sound_one_counts():
    damaged = gama(1.0)[:-1] + b"?"
    decoded = decode(png(PHOTO, damaged, gama(0.45455), gama(1.0)))
    np.testing.assert_array_equal(decoded.rgb, PHOTO)
    assert decoded.metadata.png_colour == gama(0.45455)


def test_profile_of_a_bitmap(odd_inputs_dir):
    decoded = decode(bmp_with_profile(PHOTO, SRGB_PROFILE))
    np.testing.assert_array_equal(decoded.rgb, PHOTO)
    assert decoded.metadata.icc == SRGB_PROFILE
    with Image.open(odd_inputs_dir / "rgb16_tmshre.png") as linear:
        profile = linear.info["icc_profile"]
    assert decode(bmp_with_profile(PHOTO, profile)).transfer == "linear"
