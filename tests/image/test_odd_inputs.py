"""Every odd input gives the expected image, or one line that names the cause."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageOps

from sparsesr.errors import InputError, LimitError
from sparsesr.image.decode import decode
from sparsesr.image.encode import encode
from sparsesr.image.samples import to_eight_bit

# name: (height, width, layout, bits, has alpha, words of the notes if something was changed)
IMAGES = {
    "alpha_lossy.webp": (100, 100, "rgb", 8, True, ""),
    "alpha_photo.png": (500, 500, "rgb", 8, True, ""),
    "anim.png": (100, 100, "rgb", 8, True, "animated"),
    "anim.webp": (200, 200, "rgb", 8, True, "first of 6 frames"),
    "anim_cradle.gif": (245, 245, "rgb", 8, False, "first of 42 frames"),
    "anim_dispose.gif": (77, 85, "rgb", 8, True, "first of 5 frames"),
    "anim_partial.gif": (32, 32, "rgb", 8, True, "first of 5 frames"),
    "bilevel_fax.tiff": (307, 460, "grey", 8, False, ""),
    "bw_text.png": (333, 516, "rgb", 8, False, ""),
    "cmyk.jpg": (100, 100, "rgb", 8, False, "CMYK converted"),
    "cmyk.tif": (100, 100, "rgb", 8, False, "CMYK converted"),
    "exif_orientation.png": (512, 512, "rgb", 8, False, "orientation 3"),
    "exif_rot3_landscape.jpg": (1200, 1800, "rgb", 8, False, "orientation 3"),
    "exif_rot5_portrait.jpg": (1800, 1200, "rgb", 8, False, "orientation 5"),
    "exif_rot6.webp": (128, 128, "rgb", 8, False, "orientation 6"),
    "exif_rot6_landscape.jpg": (1200, 1800, "rgb", 8, False, "orientation 6"),
    "exif_rot8_small.jpg": (308, 231, "rgb", 8, False, "orientation 8"),
    "exif_rot_nonsquare.jpg": (2, 1, "rgb", 8, False, "orientation 8"),
    "float32.tiff": (32, 32, "rgb", 16, False, "float samples"),
    "gray.jpg": (128, 128, "grey", 8, False, ""),
    "gray16.pgm": (128, 128, "grey", 16, False, ""),
    "gray16.png": (32, 32, "grey", 16, False, "converted to sRGB from gamma 1,"),
    "gray_alpha16.png": (32, 32, "grey", 16, True, "converted to sRGB from gamma 1,"),
    "gray_photo.png": (500, 500, "grey", 8, False, ""),
    "gray_trns.png": (32, 32, "grey", 8, True, "converted to sRGB from gamma 1,"),
    "icc_big_profile.jpg": (250, 425, "rgb", 8, False, ""),
    "icc_p3.png": (1000, 1000, "rgb", 8, True, ""),
    "icc_png.png": (57, 57, "rgb", 8, True, ""),
    "icc_xyb.jpg": (442, 290, "rgb", 8, False, "converted to sRGB"),
    "indexed_photo.png": (442, 290, "rgb", 8, False, ""),
    "lab.tif": (128, 128, "rgb", 8, False, "CIELab converted"),
    "lineart_castle.png": (1588, 1800, "rgb", 8, False, ""),
    "lineart_chevron.png": (1800, 1800, "rgb", 8, False, ""),
    "lineart_flat_4k.png": (1440, 2560, "rgb", 8, False, ""),
    "mono1.png": (32, 32, "grey", 8, False, "converted to sRGB from gamma 1,"),
    "moon_gray.png": (512, 512, "grey", 8, False, ""),
    "multipage.tiff": (10, 10, "rgb", 8, False, "first of 3 pages"),
    "palette2.png": (32, 32, "rgb", 8, False, "converted to sRGB from gamma 1,"),
    "palette_trns.png": (32, 32, "rgb", 8, True, "converted to sRGB from gamma 1,"),
    "panorama_3004x1002.jpg": (1002, 3004, "rgb", 8, False, ""),
    "phone_jolla.jpg": (2448, 3264, "rgb", 8, False, ""),
    "photo.webp": (368, 550, "rgb", 8, False, ""),
    "photo_icc_500.png": (500, 500, "rgb", 8, False, ""),
    "plain.ppm": (128, 128, "rgb", 8, False, ""),
    "progressive.jpg": (240, 320, "rgb", 8, False, ""),
    "rgb16.tiff": (40, 100, "rgb", 16, False, ""),
    "rgb16_interlaced.png": (32, 32, "rgb", 16, False, "converted to sRGB from gamma 1,"),
    "rgb16_pixel2.png": (64, 64, "rgb", 16, False, "linear light"),
    "rgb16_tmshre.png": (64, 64, "rgb", 16, False, "linear light"),
    "rgb565.bmp": (64, 127, "rgb", 8, False, ""),
    "rgba16_interlaced.png": (32, 32, "rgb", 16, True, "converted to sRGB from gamma 1,"),
    "rgba_logo.png": (128, 128, "rgb", 8, True, ""),
    "rle8.bmp": (64, 127, "rgb", 8, False, ""),
    "scan_page.png": (191, 384, "grey", 8, False, ""),
    "scan_text.png": (172, 448, "grey", 8, False, ""),
    "screenshot_chat.png": (2622, 1206, "rgb", 8, False, ""),
    "screenshot_graph.png": (481, 796, "rgb", 8, False, ""),
    "screenshot_gui.png": (1132, 1356, "rgb", 8, True, ""),
    "screenshot_terminal.png": (1062, 1646, "rgb", 8, False, ""),
    "screenshot_win95.png": (480, 640, "rgb", 8, False, ""),
    "size_33x33.png": (33, 33, "rgb", 8, False, "converted to sRGB from gamma 1,"),
    "tall.webp": (169, 13, "rgb", 8, False, "first of 99 frames"),
    "tiny_1x1.png": (1, 1, "rgb", 8, False, "converted to sRGB from gamma 1,"),
    "tiny_2x2.png": (2, 2, "rgb", 8, False, "converted to sRGB from gamma 1,"),
    "tiny_3x3.png": (3, 3, "rgb", 8, False, "converted to sRGB from gamma 1,"),
    "ultra_hdr.jpg": (2160, 3840, "rgb", 8, False, "gain map"),
}
ERRORS = {
    "bomb_17000x17000.avif": (LimitError, "289 megapixels, over the limit of 200"),
    "bomb_text_chunk.png": (LimitError, "inflates to over 1 MiB"),
    "broken_stream.png": (InputError, "PNG data is damaged"),
    "corrupt_crc.png": (InputError, "header fails its checksum"),
    "corrupt_signature.png": (InputError, "is not an image"),
    "not_an_image.doc": (InputError, "is an old Microsoft Office file"),
    "truncated.gif": (InputError, "cut short"),
    "truncated.jpg": (InputError, "cut short"),
}
# Not comparable: Pillow ignores profiles, approximates CMYK and Lab, and misreads 4-bit tRNS.
NOT_AS_PILLOW = {
    "cmyk.jpg",
    "cmyk.tif",
    "lab.tif",
    "icc_xyb.jpg",
    "multipage.tiff",
    "gray_trns.png",
}


def coded_as_srgb(samples: np.ndarray, file_gamma: float) -> np.ndarray:
    """8-bit samples of a PNG with this gAMA, in the curve of IEC 61966-2-1."""
    light = (samples / 255.0) ** (1 / file_gamma)
    coded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(coded * 255).astype(int)


def test_the_table_covers_the_folder(odd_inputs_dir):
    names = {path.name for path in odd_inputs_dir.iterdir()} - {"README.md"}
    assert names == IMAGES.keys() | ERRORS.keys()
    assert len(names) == 74


@pytest.mark.parametrize("name", sorted(IMAGES))
def test_image(odd_inputs_dir, name):
    height, width, layout, bits, has_alpha, note = IMAGES[name]
    decoded = decode(odd_inputs_dir / name)
    assert (decoded.height, decoded.width, decoded.layout, decoded.bits) == (height, width, layout, bits)
    assert (decoded.alpha is not None) == has_alpha
    is_converted = bits == 16 or "gamma" in note  # conversions are kept in 16 bits until they are written
    assert decoded.rgb.dtype == (np.uint16 if is_converted else np.uint8)
    assert decoded.rgb.flags.c_contiguous
    assert note in "; ".join(decoded.notes)
    assert bool(decoded.notes) == bool(note)


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_refusal(odd_inputs_dir, name):
    kind, words = ERRORS[name]
    with pytest.raises(kind) as caught:
        decode(odd_inputs_dir / name)
    message = str(caught.value)
    assert words in message
    assert name in message
    assert "\n" not in message


@pytest.mark.parametrize("name", sorted(n for n in IMAGES if IMAGES[n][3] == 8 and n not in NOT_AS_PILLOW))
def test_pixels_are_pillows(odd_inputs_dir, name):
    decoded = decode(odd_inputs_dir / name)
    with Image.open(odd_inputs_dir / name) as theirs:
        expected = np.asarray(ImageOps.exif_transpose(theirs).convert("RGBA"))
        gamma = theirs.info.get("gamma", 1 / 2.2)
    seen = np.ones_like(expected[..., 0], bool) if decoded.alpha is None else decoded.alpha > 0
    if decoded.alpha is not None:
        np.testing.assert_array_equal(to_eight_bit(decoded.alpha), expected[..., 3])
    colours = expected[..., :3] if abs(gamma * 2.2 - 1) < 0.01 else coded_as_srgb(expected[..., :3], gamma)
    difference = np.abs(to_eight_bit(decoded.rgb).astype(int) - colours)[seen]
    tolerance = {"jpg": 2, "webp": 2, "bmp": 1}.get(name.split(".")[-1], 0)
    assert difference.max(initial=0) <= tolerance


@pytest.mark.parametrize("name", ["cmyk.jpg", "lab.tif"])
def test_converted_colours_are_near_pillows(odd_inputs_dir, name):
    with Image.open(odd_inputs_dir / name) as theirs:
        if name == "lab.tif":
            from PIL import ImageCms

            lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
            theirs = ImageCms.profileToProfile(theirs, lab, srgb, outputMode="RGB")
        expected = np.asarray(theirs.convert("RGB")).astype(int)
    difference = np.abs(decode(odd_inputs_dir / name).rgb.astype(int) - expected).mean()
    assert difference < (2 if name == "lab.tif" else 25)


def test_tiff_16_bit_equals_its_samples(odd_inputs_dir):
    import tifffile

    np.testing.assert_array_equal(
        decode(odd_inputs_dir / "rgb16.tiff").rgb, tifffile.imread(odd_inputs_dir / "rgb16.tiff")
    )


@pytest.mark.parametrize("format", ["png", "tiff"])
@pytest.mark.parametrize("name", sorted(IMAGES))
def test_lossless_round_trip(odd_inputs_dir, name, format):
    """Scale 1: pixels, depth, layout, alpha, profile come back as they were."""
    decoded = decode(odd_inputs_dir / name)
    if decoded.height * decoded.width > 1_000_000:
        pytest.skip("large images take the same path")
    encoded = encode(decoded, None, format=format)
    again = decode(encoded.data)
    stored = to_eight_bit if decoded.bits == 8 and decoded.transfer == "gamma" else np.asarray
    np.testing.assert_array_equal(again.rgb, stored(decoded.rgb))
    assert (again.bits, again.layout, again.transfer) == (decoded.bits, decoded.layout, decoded.transfer)
    assert again.metadata.icc == decoded.metadata.icc
    assert (again.alpha is None) == (decoded.alpha is None)
    if decoded.alpha is not None:
        np.testing.assert_array_equal(again.alpha, stored(decoded.alpha))


@pytest.mark.parametrize("name", [n for n in sorted(IMAGES) if IMAGES[n][0] <= 600])
@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_lossy_output_is_close_and_readable(odd_inputs_dir, name, format):
    decoded = decode(odd_inputs_dir / name)
    encoded = encode(decoded, None, format=format)
    with Image.open(io.BytesIO(encoded.data)) as image:
        image.load()
        assert image.size == (decoded.width, decoded.height)
    again = decode(encoded.data)
    if decoded.alpha is None and decoded.bits == 8:
        jpeg_tolerance = 1.5 if decoded.rgb.size > 100 else 5.0  # few pixels, far apart in colour
        tolerance = jpeg_tolerance if format == "jpeg" else 16.0  # WebP halves the resolution of colour
        shift = np.abs(
            again.rgb.mean((0, 1), dtype=float) - to_eight_bit(decoded.rgb).mean((0, 1), dtype=float)
        )
        assert shift.max() <= tolerance


@pytest.mark.parametrize("name", ["bomb_17000x17000.avif", "bomb_text_chunk.png"])
def test_bombs_cost_little_memory(odd_inputs_dir, name):
    pytest.importorskip("resource")
    code = (
        "import sys, resource, pathlib\n"
        "from sparsesr.errors import LimitError\n"
        "from sparsesr.image.decode import decode\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak()\n"
        "try:\n    decode(pathlib.Path(sys.argv[1]))\n"
        "except LimitError:\n    print(peak() - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(odd_inputs_dir / name)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 50 * 1024  # KiB
