"""PIL images give what the same file gives, whatever their mode."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from image.made_files import (
    ALPHA,
    GREY,
    PHOTO,
    SMALL,
    WIDE,
    chrm,
    dng,
    gama,
    jpeg,
    pages,
    png,
    raw_photo,
    stack,
    tiff,
)
from image.tagged_files import packet
from sparsesr.engine.arrays import unpack
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import InputError
from sparsesr.image.decode import decode
from sparsesr.image.vips import image_over
from support.tiny_models import tiny

SRGB = ImageCms.createProfile("sRGB")
SRGB_PROFILE = ImageCms.ImageCmsProfile(SRGB).tobytes()
LAB_PROFILE = ImageCms.createProfile("LAB")


@pytest.fixture(scope="module")
def upscaler() -> Upscaler:
    return Upscaler(tiny(), threads=1)


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def unchanged(image: Image.Image) -> Image.Image:
    """What comes back if the network does nothing."""
    parts = unpack(image)
    return parts.pack(parts.rgb, parts.alpha)


def cmyk_jpeg() -> bytes:
    return (
        image_over(PHOTO)
        .copy(interpretation="srgb")
        .icc_transform("cmyk", input_profile="srgb")
        .jpegsave_buffer(Q=95)
    )


def png_with_key(samples: np.ndarray, key) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(samples).save(buffer, "PNG", transparency=key)
    return buffer.getvalue()


FILES = {
    "rgb": png(PHOTO),
    "rgba": png(stack(PHOTO, ALPHA)),
    "grey": png(GREY),
    "grey with alpha": png(stack(GREY, ALPHA)),
    "grey of 16 bits": png(WIDE[..., 1]),
    "rgb with a key": png_with_key(PHOTO, tuple(PHOTO[3, 4].tolist())),
    "grey with a key": png_with_key(GREY, int(GREY[3, 4])),
    "16 bits with a key": png_with_key(WIDE[..., 1], int(WIDE[3, 4, 1])),
    "cmyk": cmyk_jpeg(),
    "linear": png(PHOTO, gama(1.0)),
    "other primaries": png(PHOTO, gama(1 / 2.2), chrm(0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)),
    "jpeg": jpeg(),
    "selection": tiff(stack(PHOTO, ALPHA), "0"),
}


@pytest.mark.parametrize("name", FILES)
def test_pixels_are_those_of_the_file(name):
    decoded, parts = decode(FILES[name]), unpack(opened(FILES[name]))
    tolerance = 3 if name in ("cmyk", "jpeg") else 0  # two JPEG decoders
    assert parts.rgb.dtype == decoded.rgb.dtype
    assert np.abs(parts.rgb.astype(int) - decoded.rgb).max() <= tolerance
    assert (parts.alpha is None) == (decoded.alpha is None)
    if decoded.alpha is not None:
        np.testing.assert_array_equal(parts.alpha, decoded.alpha)
    if name == "16 bits with a key":
        assert parts.notes == ("16 bits reduced to 8: PIL has no 16-bit image with alpha",)
    elif name != "selection":  # Pillow leaves it out without a word
        assert parts.notes == tuple(decoded.notes)
    profile = unchanged(opened(FILES[name])).info.get("icc_profile")
    assert profile == decoded.metadata.icc


# Pillow misreads keys of 2 and 4 bits, and opens 16-bit colours with 8 bits.
_DIFFERENT = ("gray_trns.png", "rgb16", "rgba16", "gray_alpha16", "gray16.pgm", "float32")


def test_pixels_of_odd_inputs_are_those_of_the_files(odd_inputs_dir):
    compared = 0
    for path in sorted(odd_inputs_dir.iterdir()):
        try:
            decoded = decode(path)
            with Image.open(path) as image:
                parts = unpack(image)
        except (InputError, OSError, ValueError):
            continue
        except Exception as error:
            assert "Limit" in type(error).__name__, path.name
            continue
        if path.name.startswith(_DIFFERENT) or decoded.rgb.size > 3_000_000:
            continue
        compared += 1
        assert parts.rgb.shape == decoded.rgb.shape, path.name
        seen = np.ones(parts.rgb.shape[:2], bool) if decoded.alpha is None else decoded.alpha > 0
        difference = np.abs(parts.rgb.astype(int) - decoded.rgb)[seen]
        assert difference.max(initial=0) <= {"jpg": 4, "webp": 2, "bmp": 1, "tif": 4}.get(
            path.suffix[1:], 0
        ), path.name
        assert (parts.alpha is None) == (decoded.alpha is None), path.name
    assert compared > 40


def test_cmyk_is_converted_by_its_own_profile():
    image = opened(cmyk_jpeg())
    assert image.info["icc_profile"]
    source = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    expected = ImageCms.profileToProfile(
        image, source, SRGB, renderingIntent=1, outputMode="RGB", flags=0x2000
    )
    result = unchanged(image)
    assert result.mode == "RGB"
    assert "icc_profile" not in result.info
    assert np.abs(np.asarray(result).astype(int) - np.asarray(expected)).max() <= 2


def test_lab_is_converted():
    to_lab = ImageCms.buildTransform(SRGB, LAB_PROFILE, "RGB", "LAB")
    image = ImageCms.applyTransform(Image.fromarray(PHOTO), to_lab)
    assert image.mode == "LAB"
    result = np.asarray(unchanged(image)).astype(int)
    assert np.abs(result - PHOTO).max() <= 12, "8 bits of Lab are coarse in dark, saturated colours"
    assert np.abs(result - PHOTO).mean() < 0.7


@pytest.mark.parametrize("mode", ["RGBa", "La"])
def test_premultiplied_modes_keep_alpha(mode):
    straight = {"RGBa": "RGBA", "La": "LA"}[mode]
    image = Image.fromarray(stack(PHOTO, ALPHA)).convert(straight)
    result = unchanged(image.convert(mode))
    assert result.mode == straight
    assert np.abs(np.asarray(result).astype(int) - np.asarray(image)).max() <= 2


@pytest.mark.parametrize(
    ("mode", "expected"), [("YCbCr", "RGB"), ("HSV", "RGB"), ("RGBX", "RGB"), ("1", "L"), ("PA", "RGBA")]
)
def test_other_modes(mode, expected):
    image = Image.fromarray(GREY if mode == "1" else PHOTO)
    image = image.convert("P").convert(mode) if mode == "PA" else image.convert(mode)
    result = unchanged(image)
    assert result.mode == expected
    np.testing.assert_array_equal(np.asarray(result), np.asarray(image.convert(expected)))


def test_a_palette_with_alpha():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 0, 40, 50, 60, 255], "RGBA")
    image.putdata([0, 1])
    assert np.asarray(unchanged(image)).tolist() == [[[10, 20, 30, 0], [40, 50, 60, 255]]]


@pytest.mark.parametrize("order", ["<", ">"])
def test_words_of_either_byte_order(order):
    mode = {"<": "I;16", ">": "I;16B"}[order]
    samples = WIDE[..., 1].astype(order + "u2")
    image = Image.frombytes(mode, (samples.shape[1], samples.shape[0]), samples.tobytes())
    np.testing.assert_array_equal(np.asarray(unchanged(image)), WIDE[..., 1])
    np.testing.assert_array_equal(unpack(WIDE.astype(order + "u2")).rgb, WIDE)
    levels = (PHOTO / 255).astype(order + "f4")
    assert unpack(levels).rgb.dtype == np.float32


def test_floats_are_taken_as_those_of_arrays(upscaler):
    levels = (GREY / 255).astype(np.float32)
    image = Image.fromarray(levels)
    image.info["dpi"] = (300, 300)
    result = upscaler(image).image
    assert (result.mode, result.info) == ("F", {"dpi": (300, 300)})
    np.testing.assert_array_equal(np.asarray(result), upscaler(levels).image)
    with pytest.raises(InputError, match="in 0 to 1, these reach 215"):
        unpack(Image.fromarray(GREY.astype(np.float32)))


def test_a_linear_profile_is_linear_again_in_the_result(odd_inputs_dir):
    with Image.open(odd_inputs_dir / "rgb16_tmshre.png") as linear:
        profile = linear.info["icc_profile"]
    image = Image.fromarray(PHOTO)
    image.info["icc_profile"] = profile
    parts = unpack(image)
    light = PHOTO / 255
    coded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(parts.rgb / 65535 - coded).max() < 1e-4
    result = unchanged(image)
    np.testing.assert_array_equal(np.asarray(result), PHOTO)
    assert result.info["icc_profile"] == profile


def test_profiles_that_say_nothing_are_left_out():
    for samples, profile in ((PHOTO, b"nonsense" * 30), (GREY, SRGB_PROFILE)):
        image = Image.fromarray(samples)
        image.info["icc_profile"] = profile
        assert "icc_profile" not in unchanged(image).info
        assert "colour profile is damaged or does not match" in unpack(image).notes[0]


def test_info_is_kept_and_what_would_be_false_is_not(upscaler):
    text = PngImagePlugin.PngInfo()
    text.add_text("parameters", "a tree with a bird\nSteps: 40")
    buffer = io.BytesIO()
    Image.fromarray(PHOTO).save(buffer, "PNG", pnginfo=text, dpi=(300, 300), icc_profile=SRGB_PROFILE)
    image = opened(buffer.getvalue())
    image.info |= {
        "transparency": (1, 2, 3),
        "loop": 0,
        "duration": 40,
        "xmp": b'tiff:Orientation="6" tiff:ImageWidth="56"',
    }
    info = upscaler(image).image.info
    assert info["parameters"] == "a tree with a bird\nSteps: 40"
    assert [round(value) for value in info["dpi"]] == [300, 300]
    assert info["icc_profile"] == SRGB_PROFILE
    assert info["xmp"] == b'tiff:Orientation="1" tiff:ImageWidth="112"'
    assert not info.keys() & {"transparency", "loop", "duration"}
    assert image.info["loop"] == 0, "the caller's image is not touched"


@pytest.mark.parametrize(
    "info",
    [
        {"exif": "Exif"},
        {"exif": b"junk"},
        {"exif": "x", "Raw profile type exif": "y"},
        {"Raw profile type exif": 5},
        {"gamma": "0.45"},
        {"gamma": None, "chromaticity": ("a",) * 8},
        {"icc_profile": "sRGB"},
        {"transparency": "red"},
        {"transparency": (1.5, 2.5, 3.5)},
    ],
    ids=str,
)
def test_odd_entries_are_ignored(upscaler, info):
    image = Image.fromarray(PHOTO)
    image.info |= info
    result = upscaler(image).image
    np.testing.assert_array_equal(np.asarray(result)[..., :3], upscaler(PHOTO).image)
    assert "exif" not in result.info and "icc_profile" not in result.info


@pytest.mark.parametrize("name", ["xmp", "XML:com.adobe.xmp"])
def test_xmp_with_half_a_character_is_kept(upscaler, name):
    image = Image.fromarray(PHOTO)
    image.info[name] = 'a\ud800 tiff:ImageWidth="56"'
    assert upscaler(image).image.info[name] == 'a\ud800 tiff:ImageWidth="112"'


@pytest.mark.parametrize("orientation", [3, 6])
def test_the_print_resolution_is_turned_with_the_image(orientation):
    exif = Image.Exif()
    exif[0x0112], exif[0x011A], exif[0x011B] = orientation, 300, 150
    image = Image.fromarray(PHOTO)
    image.info |= {"exif": exif.tobytes(), "dpi": (300, 150)}
    result, expected = unchanged(image), (150, 300) if orientation == 6 else (300, 150)
    assert result.info["dpi"] == expected
    assert (result.getexif()[0x011A], result.getexif()[0x011B]) == expected


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright(upscaler, orientation):
    exif = Image.Exif()
    exif[0x0112], exif[0x0100] = orientation, 56
    buffer = io.BytesIO()
    Image.fromarray(PHOTO).save(buffer, "PNG", exif=exif)
    result = upscaler(opened(buffer.getvalue()))
    upright = decode(buffer.getvalue()).rgb
    assert result.image.size == (2 * upright.shape[1], 2 * upright.shape[0])
    np.testing.assert_array_equal(unpack(opened(buffer.getvalue())).rgb, upright)
    tags = result.image.getexif()
    assert (tags[0x0112], tags[0x0100]) == (1, 2 * upright.shape[1])
    assert any("turned upright" in note for note in result.notes) == (orientation != 1)


@pytest.mark.parametrize("orientation", [1, 6])
def test_faces_are_removed_from_turned_images_only(upscaler, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(PHOTO)
    regions = b'<m:Regions xmlns:m="http://www.metadataworkinggroup.com/schemas/regions/"><a/></m:Regions>'
    image.info |= {
        "exif": exif.tobytes(),
        "xmp": packet(b'<rdf:Description rdf:about="">%s</rdf:Description>' % regions),
    }
    result = upscaler(image)
    assert (b"Regions" in result.image.info["xmp"]) == (orientation == 1)
    assert any("faces" in note for note in result.notes) == (orientation == 6)


@pytest.mark.parametrize("data", [raw_photo("NIKON"), dng(), pages((SMALL, 1, 0), (PHOTO, 0, 0))])
def test_previews_are_refused(data):
    with pytest.raises(InputError, match="the preview in a camera RAW file"):
        unpack(opened(data))


def test_another_page_may_be_chosen():
    image = opened(pages((PHOTO, 0, 0), (SMALL, 1, 0)))
    image.seek(1)
    np.testing.assert_array_equal(unpack(image).rgb, SMALL)


def test_refused_modes():
    with pytest.raises(InputError, match="mode I have no fixed range"):
        unpack(Image.new("I", (3, 3)))
    with pytest.raises(InputError, match="no pixels"):
        unpack(Image.new("RGB", (0, 0)))
