"""The quality read from quantisation tables, against Pillow, which writes with libjpeg."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image

from sparsesr.image.decode import decode
from sparsesr.image.jpeg_quality import jpeg_quality
from sparsesr.image.source import in_memory
from support.tiny_models import photo


def encoded(mode: str = "RGB", **options) -> bytes:
    data = io.BytesIO()
    Image.fromarray(photo(16, 24)).convert(mode).save(data, "JPEG", **options)
    return data.getvalue()


def quality_of(data: bytes) -> int | None:
    return jpeg_quality(in_memory(data))


def header(tables: dict[int, int], components: list[tuple[int, int]], *, is_wide: bool = False) -> bytes:
    """A JPEG up to its pixels, with flat tables; components are (name, table)."""
    kind, precision = ("H", 0x10) if is_wide else ("B", 0)
    out = b"\xff\xd8"
    for number, step in tables.items():
        body = bytes([precision | number]) + struct.pack(f">64{kind}", *[step] * 64)
        out += b"\xff\xdb" + struct.pack(">H", len(body) + 2) + body
    frame = struct.pack(">BHHB", 8, 8, 8, len(components))
    frame += b"".join(bytes([name, 0x11, table]) for name, table in components)
    return out + b"\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame + b"\xff\xda"


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"mode": "L"}, {"mode": "CMYK"}], ids=str)
def test_every_quality_of_libjpeg_is_recognised(options):
    assert [quality_of(encoded(quality=quality, **options)) for quality in range(1, 101)] == [*range(1, 101)]


def test_the_coarser_table_of_the_chroma_does_not_count():
    fine, coarse = [3] * 64, [90] * 64
    data = encoded(qtables=[fine, coarse])
    assert quality_of(data) == quality_of(encoded("L", qtables=[fine]))
    assert quality_of(data) > 90 > quality_of(encoded(qtables=[coarse, fine]))


@pytest.mark.parametrize("step", [1, 6, 58, 100])
def test_other_tables_count_by_their_mean_step(step):
    """libjpeg's table of quality 50 has a mean step of 57.6; others are scaled by 2 - quality / 50, or 50 / quality."""
    percent = 100 * step / (3688 / 64)
    expected = (200 - percent) / 2 if percent < 100 else 5000 / percent
    assert quality_of(encoded("L", qtables=[[step] * 64])) == pytest.approx(expected, abs=1.5)


def test_steps_of_sixteen_bits():
    assert quality_of(header({0: 58}, [(1, 0)], is_wide=True)) == quality_of(header({0: 58}, [(1, 0)]))
    assert quality_of(header({0: 40_000}, [(1, 0)], is_wide=True)) == 1


def test_of_red_green_and_blue_the_green_counts():
    tables = {0: 40, 1: 5, 2: 40}
    in_rgb = quality_of(header(tables, list(zip(b"RGB", (0, 1, 2), strict=True))))
    in_luma = quality_of(header(tables, [(1, 0), (2, 1), (3, 2)]))
    assert in_rgb > 90 > in_luma


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        header({}, [(1, 0)]),
        header({1: 5}, [(1, 0)]),
        header({0: 5}, []),
        header({0: 5}, [(1, 0)])[:60],
        header({0: 5}, [(1, 0)])[:-6],
    ],
    ids=["empty", "nothing", "no table", "another table", "no component", "cut table", "cut frame"],
)
def test_a_damaged_header_has_no_quality(data):
    assert quality_of(data) is None


def test_decoded_images_know_it(tmp_path):
    (tmp_path / "a.jpg").write_bytes(encoded(quality=61))
    image = decode(tmp_path / "a.jpg")
    assert image.jpeg_quality == 61
    assert image.with_pixels(image.rgb, None).jpeg_quality == 61
    Image.fromarray(photo(16, 24)).save(tmp_path / "a.png")
    assert decode(tmp_path / "a.png").jpeg_quality is None


def test_an_irregular_file_that_is_read_twice_keeps_it():
    """A stray byte between header segments makes the first, strict reading fail."""
    data = encoded(quality=61)
    at = data.index(b"\xff\xc4")
    irregular = decode(data[:at] + b"\0" + data[at:])
    assert irregular.notes
    assert irregular.jpeg_quality == 61
