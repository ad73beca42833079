"""The quality of lossy WebP files, read from the header of their frame; Pillow writes them with libwebp."""

from __future__ import annotations

import io
from itertools import pairwise

import pytest
from PIL import Image

from sparsesr.image.decode import decode
from sparsesr.image.source import in_memory
from sparsesr.image.webp_quality import webp_quality
from support.tiny_models import photo

FRAME = b"VP8 "


def encoded(**options) -> bytes:
    data = io.BytesIO()
    Image.fromarray(photo(64, 96)).save(data, "WEBP", **options)
    return data.getvalue()


def quality_of(data: bytes) -> int | None:
    return webp_quality(in_memory(data))


@pytest.mark.parametrize("method", [0, 4, 6])
def test_finer_files_have_a_higher_quality(method):
    found = [quality_of(encoded(quality=quality, method=method)) for quality in range(0, 101, 5)]
    assert found[0] < 50 and found[-1] >= 98
    assert all(coarse <= fine for coarse, fine in pairwise(found)) and len(set(found)) > 12


def test_chunks_before_the_frame_do_not_matter():
    exif = Image.Exif()
    exif[0x010E] = "described"
    data = encoded(quality=60, exif=exif.tobytes())
    assert b"VP8X" in data and quality_of(data) == quality_of(encoded(quality=60))


@pytest.mark.parametrize(
    "options", [{"lossless": True}, {"save_all": True, "append_images": [Image.new("RGB", (96, 64))]}]
)
def test_lossless_and_animated_files_have_none(options):
    assert quality_of(encoded(**options)) is None


@pytest.mark.parametrize("kept", [0, 3, 9, 11])
def test_a_damaged_frame_has_none(kept):
    data = encoded(quality=50)
    assert quality_of(data[: data.index(FRAME) + 8 + kept]) is None
    spoilt = bytearray(data)
    spoilt[data.index(FRAME) + 8 + 3] ^= 0xFF
    assert quality_of(bytes(spoilt)) is None


@pytest.mark.parametrize("start", [12, 16, 24, 40])
def test_any_header_gives_a_quality_or_none(start):
    data = bytearray(encoded(quality=50))
    at = data.index(FRAME) + 8
    data[at + start : at + start + 30] = b"\xff" * 30
    found = quality_of(bytes(data))
    assert found is None or 1 <= found <= 100


def test_decoded_images_know_it(tmp_path):
    (tmp_path / "a.webp").write_bytes(encoded(quality=20))
    assert decode(tmp_path / "a.webp").jpeg_quality == quality_of(encoded(quality=20)) < 80
    (tmp_path / "b.webp").write_bytes(encoded(lossless=True))
    assert decode(tmp_path / "b.webp").jpeg_quality is None
