"""The formats that the package decodes itself: PNM and BMP."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from sparsesr.errors import InputError
from sparsesr.image.decode import decode

RNG = np.random.default_rng(9)


def test_pnm_variants():
    assert decode(b"P1\n# comment\n3 2\n101\n0 1 0").rgb[..., 0].tolist() == [[0, 255, 0], [255, 0, 255]]
    assert decode(b"P2 2 1 # c\n15\n0 15").rgb[..., 0].tolist() == [[0, 255]]
    assert decode(b"P3 1 1 255 1 2 3").rgb.tolist() == [[[1, 2, 3]]]
    assert decode(b"P4 10 1\n\x80\x40").rgb[0, :, 0].tolist() == [0] + [255] * 8 + [0]
    assert decode(b"P5 2 1 1023 \x03\xff\x00\x00").rgb[..., 0].tolist() == [[65535, 0]]
    assert decode(b"P6 1 1 255\n\x09\x08\x07").rgb.tolist() == [[[9, 8, 7]]]


@pytest.mark.parametrize("header", [b"P6%b2 1 255\n", b"P6 2%b1 255\n", b"P6 2 1%b255\n"])
def test_pnm_with_long_comments(header):
    comments = b"".join(b"\n# line %d" % line for line in range(5000)) + b"\n"
    assert decode(header % comments + b"\1\2\3\4\5\6").rgb.tolist() == [[[1, 2, 3], [4, 5, 6]]]


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "I;16"])
def test_pnm_as_pillow_writes_it(mode):
    samples = RNG.integers(0, 65536 if mode == "I;16" else 256, (7, 13, 3 if mode == "RGB" else 1)).squeeze()
    image = Image.fromarray(samples.astype(np.uint16 if mode == "I;16" else np.uint8))
    image = image.convert("1") if mode == "1" else image
    stream = io.BytesIO()
    image.save(stream, "PPM")
    expected = np.asarray(image).astype(int) * (255 if mode == "1" else 1)
    got = decode(stream.getvalue())
    assert got.layout == ("rgb" if mode == "RGB" else "grey")
    np.testing.assert_array_equal(got.rgb if mode == "RGB" else got.rgb[..., 0], expected)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"P6 2 2 255\n123", "cut short"),
        (b"P3 1 1 255 1 2", "cut short"),
        (b"P4 9 9\n\0", "cut short"),
        (b"P2 1 1 255 x", "not a number"),
        (b"P2 1 1 255 256", "beyond the maximum"),
        (b"P2 1 1 70000 1", "no valid maximum"),
        (b"P2 1 1 0 1", "no valid maximum"),
        (b"P6 x 1 255\n", "header is damaged"),
        (b"P6 0 1 255\n", "0x1 pixels"),
    ],
)
def test_bad_pnm(data, words):
    with pytest.raises(InputError, match=words):
        decode(data)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_bmp_as_pillow_writes_it(mode):
    image = Image.fromarray(RNG.integers(0, 256, (7, 13, 4), dtype=np.uint8), "RGBA").convert(mode)
    stream = io.BytesIO()
    image.save(stream, "BMP")
    with Image.open(stream) as again:
        expected = np.asarray(again.convert("RGBA"))
    decoded = decode(stream.getvalue())
    np.testing.assert_array_equal(decoded.rgb, expected[..., :3])
    assert decoded.alpha is None  # without masks, the fourth byte is padding


def bmp(bits: int, compression: int, body: bytes, width: int, height: int, palette: bytes = b"") -> bytes:
    colours = len(palette) // 4
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, colours, 0)
    at = 14 + len(head) + len(palette)
    return b"BM" + struct.pack("<IHHI", at + len(body), 0, 0, at) + head + palette + body


GREYS = b"".join(bytes([v, v, v, 0]) for v in range(0, 256, 17))


def test_bmp_of_4_bits_top_down():
    decoded = decode(bmp(4, 0, b"\x12\x30\0\0\xff\xf0\0\0", 3, -2, GREYS))
    assert decoded.rgb[..., 0].tolist() == [[17, 34, 51], [255, 255, 255]]


def test_bmp_of_15_bits():
    assert decode(bmp(16, 0, struct.pack("<HH", 0x7C00, 0x001F), 2, 1)).rgb.tolist() == [
        [[255, 0, 0], [0, 0, 255]]
    ]


def test_bmp_with_an_alpha_mask():
    masks = struct.pack("<IIII", 0xFF, 0xFF00, 0xFF0000, 0xFF000000)
    head = struct.pack("<IiiHHIIiiII", 56, 1, 1, 1, 32, 3, 0, 0, 0, 0, 0) + masks
    decoded = decode(b"BM" + struct.pack("<IHHI", 74, 0, 0, 70) + head + bytes([1, 2, 3, 4]))
    assert decoded.rgb.tolist() == [[[1, 2, 3]]]
    assert decoded.alpha.tolist() == [[4]]
    # Many programs leave alpha 0 everywhere and mean an opaque image.
    decoded = decode(b"BM" + struct.pack("<IHHI", 74, 0, 0, 70) + head + bytes([1, 2, 3, 0]))
    assert (decoded.rgb.tolist(), decoded.alpha) == ([[[1, 2, 3]]], None)


def test_bmp_masks_beyond_the_word():
    masks = struct.pack("<IIII", 0xF800, 0x07E0, 0xFF001F, 0xFF000000)
    head = struct.pack("<IiiHHIIiiII", 56, 1, 1, 1, 16, 3, 0, 0, 0, 0, 0) + masks
    decoded = decode(b"BM" + struct.pack("<IHHI", 74, 0, 0, 70) + head + struct.pack("<HH", 0xF81F, 0))
    assert decoded.rgb.tolist() == [[[255, 0, 255]]]
    assert decoded.alpha is None


def test_bmp_run_lengths():
    # two of colour 1, an absolute run of three, end of line, skip to column 2, one of colour 3, end
    body = bytes([2, 1, 0, 3, 4, 5, 6, 0, 0, 0, 0, 2, 2, 0, 1, 3, 0, 1])
    decoded = decode(bmp(8, 1, body, 5, 2, GREYS))
    assert (decoded.rgb[::-1, :, 0] // 17).tolist() == [[1, 1, 4, 5, 6], [0, 0, 3, 0, 0]]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (bmp(24, 0, b"123", 2, 2), "cut short"),
        (bmp(8, 0, b"\xff\0\0\0", 1, 1, GREYS), "beyond the palette"),
        (bmp(8, 1, b"\x01\x01", 2, 9, GREYS), "cut short"),
        (bmp(24, 4, b"", 2, 2), "unsupported kind"),
        (bmp(24, 3, b"", 2, 2), "does not allow"),
        (bmp(8, 0, b"", 2, 2)[:60], "palette is cut short"),
        (bmp(24, 0, b"", -2, 2), "-2x2 pixels"),
        (b"BM" + bytes(60), "unknown kind"),
    ],
)
def test_bad_bmp(data, words):
    with pytest.raises(InputError, match=words):
        decode(data)
