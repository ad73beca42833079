"""Damaged data is refused wherever the decoder reports it; irregularities that change no pixel are accepted."""

from __future__ import annotations

import io

import numpy as np
import pytest
import pyvips
from PIL import Image

from sparsesr.errors import InputError
from sparsesr.image.decode import decode
from sparsesr.image.jpeg_damage import JpegWarnings

NOISE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
END_OF_IMAGE = b"\xff\xd9"


def jpeg(**options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(NOISE).save(buffer, "jpeg", quality=90, **options)
    return buffer.getvalue()


def tiff(compression: str) -> bytes:
    return pyvips.Image.new_from_memory(NOISE, 64, 48, 3, "uchar").tiffsave_buffer(compression=compression)


def with_junk_before(data: bytes, marker: bytes, junk: bytes) -> bytes:
    at = data.index(marker)
    return data[:at] + junk + data[at:]


@pytest.mark.parametrize("missing_bytes", [2, 20, 200, 1000])
def test_a_jpeg_whose_last_rows_are_missing(missing_bytes):
    data = jpeg()
    cut = (
        data[: -2 - missing_bytes] + END_OF_IMAGE
    )  # ends with the marker, so the file does not look truncated
    with pytest.raises(InputError, match=r"<data>: the JPEG data is .*premature end of data segment"):
        decode(cut)


def test_a_progressive_jpeg_with_a_hole_in_its_data():
    data = jpeg(progressive=True)
    middle = len(data) // 2
    with pytest.raises(InputError, match=r"JPEG data is (damaged|cut short)"):
        decode(data[:middle] + data[middle + 300 :])


def test_junk_between_segments_of_a_header_is_harmless():
    data = jpeg()
    odd = with_junk_before(data, b"\xff\xc4", b"\0\0\0")
    decoded = decode(odd)
    np.testing.assert_array_equal(decoded.rgb, decode(data).rgb)
    assert decoded.notes == [
        "the JPEG file is slightly irregular (Corrupt JPEG data: 3 extraneous bytes before marker 0xc4);"
        " the image is complete"
    ]


def test_junk_does_not_hide_damage():
    odd = with_junk_before(jpeg(), b"\xff\xc4", b"\0\0\0")
    with pytest.raises(InputError, match="JPEG data is damaged"):
        decode(odd[:-400] + END_OF_IMAGE)


def test_extra_bytes_in_a_progressive_jpeg_are_damage():
    warnings = JpegWarnings()
    assert warnings.damage(has_several_scans=True) == ""
    warnings.record("VIPS: VipsJpeg: Corrupt JPEG data: 4 extraneous bytes before marker 0xc4\n")
    warnings.record("VIPS: read gave 1 warnings")
    assert warnings.damage(has_several_scans=True) == warnings.first
    assert warnings.first == "Corrupt JPEG data: 4 extraneous bytes before marker 0xc4"
    assert warnings.damage(has_several_scans=False) == ""
    warnings.record("VIPS: read gave 2 warnings")
    assert warnings.damage(has_several_scans=False), "the decoder reports the first warning only"


def test_listening_leaves_the_logger_as_it_was():
    import logging

    before = list(logging.getLogger("pyvips").handlers)
    decode(jpeg())
    assert logging.getLogger("pyvips").handlers == before


@pytest.mark.parametrize("compression", ["none", "lzw", "deflate", "jpeg"])
def test_a_tiff_with_one_strip_cut_short(compression):
    """The directory comes first, so that the file opens whatever is missing at its end."""
    import tifffile

    names = {"none": None, "lzw": None, "deflate": "zlib", "jpeg": None}
    if names[compression] is None:  # libvips writes these
        data = tiff(compression)
        step = max(1, len(data) // 9)
    else:
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, NOISE, compression=names[compression], photometric="rgb")
        data = buffer.getvalue()
        step = max(1, len(data) // 40)
    expected = decode(data).rgb
    for size in range(len(data) // 4, len(data) - 1, step):
        try:
            got = decode(data[:size]).rgb
        except InputError:
            continue
        np.testing.assert_array_equal(got, expected, err_msg=f"{compression} cut to {size} bytes")


def rle8(codes: bytes, height: int, width: int) -> bytes:
    palette = bytes(range(256)) * 4
    at = 14 + 40 + len(palette)
    head = b"BM" + np.array([at + len(codes), 0, at], "<u4").tobytes()
    size = np.array([40, width, height], "<u4").tobytes() + np.array([1, 8], "<u2").tobytes()
    return head + size + np.array([1, len(codes), 0, 0, 256, 0], "<u4").tobytes() + palette + codes


def test_a_run_length_bitmap_that_ends_early():
    rows = b"\x04\x07\0\0" + b"\x04\x09" + b"\0\x01"  # four pixels of 7, next row, four of 9, end
    assert decode(rle8(rows, 2, 4)).rgb.shape == (2, 4, 3)
    assert decode(rle8(rows[:-2], 2, 4)).rgb.shape == (2, 4, 3), (
        "every pixel is present, only the end code is missing"
    )
    for codes in (rows[:4], b"\x04\x07\0\0\x02\x09", b"\x04\x07\0\0\0\x04\x09\x09"):
        with pytest.raises(InputError, match="BMP data is cut short"):
            decode(rle8(codes, 2, 4))


def never() -> bool:
    return False


def test_decoding_and_encoding_can_be_cancelled():
    from sparsesr.errors import CancelledError
    from sparsesr.image.decoded_image import DecodedImage
    from sparsesr.image.encode import encode

    large = np.random.default_rng(1).integers(0, 256, (3000, 3000, 3), dtype=np.uint8)
    png = pyvips.Image.new_from_memory(large, 3000, 3000, 3, "uchar").pngsave_buffer(compression=1)
    np.testing.assert_array_equal(decode(png, cancelled=never).rgb, large)
    with pytest.raises(CancelledError):
        decode(png, cancelled=lambda: True)
    for format in ("png", "jpeg", "tiff", "webp"):
        with pytest.raises(CancelledError):
            encode(DecodedImage(large), None, format=format, cancelled=lambda: True)
    assert (
        decode(encode(DecodedImage(NOISE), None, format="png", cancelled=never).data).rgb.shape == NOISE.shape
    )


def test_errors_are_raised_from_cancellable_decoding():
    with pytest.raises(InputError, match="premature end"):
        decode(jpeg()[:-202] + END_OF_IMAGE, cancelled=never)
