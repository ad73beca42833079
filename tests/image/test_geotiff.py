"""Georeferences: every place in the result lies where it lay in the input."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile

from image.made_files import PHOTO
from image.tagged_files import HEIGHT, WIDTH, tagged_tiff, tags_of
from sparsesr.image.decode import decode
from sparsesr.image.encode import encode

AREA, POINT = 1, 2
KEYS = (1, 1, 0, 2, 1024, 0, 1, 1, 1025, 0, 1)
"""A directory with two keys; the value of the second, the type of the raster, follows."""
SCALE_AND_TIE = ((33550, 12, 3, (10.0, 5.0, 0.0)), (33922, 12, 6, (3.0, 4.0, 0.0, 5e5, 46e5, 0.0)))
MATRIX = (10.0, 2.0, 0.0, 5e5, 1.0, -5.0, 0.0, 46e5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
DOWN, ACROSS = 3, 2


def keys(raster: int) -> tuple:
    return (34735, 3, 12, (*KEYS, raster))


def enlarged(*tags: tuple, format: str = "tiff", **options) -> tuple[bytes, list[str]]:
    decoded = decode(tagged_tiff(*tags, **options))
    pixels = decoded.rgb.repeat(DOWN, axis=0).repeat(ACROSS, axis=1)
    done = encode(decoded.with_pixels(pixels, None), None, format=format)
    return done.data, [*decoded.notes, *done.notes]


def ground(tags: dict, column: float, row: float) -> np.ndarray:
    """Where a pixel's centre lies, counted in pixels from the centre of the first one (GeoTIFF 1.1, 7.3)."""
    shift = 0.5 if tags[34735][11] == AREA else 0.0
    column, row = column + shift, row + shift
    if 34264 in tags:
        matrix = np.reshape(tags[34264], (4, 4))
        return (matrix @ [column, row, 0, 1])[:2]
    size_x, size_y, _ = tags[33550]
    tie_column, tie_row, _, x, y, _ = tags[33922]
    return np.array([x + (column - tie_column) * size_x, y - (row - tie_row) * size_y])


@pytest.mark.parametrize("raster", [AREA, POINT])
@pytest.mark.parametrize("form", [SCALE_AND_TIE, ((34264, 12, 16, MATRIX),)], ids=["scale", "matrix"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_places_stay_where_they_were(raster, form, order):
    data, notes = enlarged(*form, keys(raster), (34737, 2, 7, b"WGS 84|"), byteorder=order)
    before, after = tags_of(tagged_tiff(*form, keys(raster))), tags_of(data)
    for column, row in ((0, 0), (WIDTH - 1, HEIGHT - 1), (7.25, 11.5)):
        there = ((column + 0.5) * ACROSS - 0.5, (row + 0.5) * DOWN - 0.5)
        np.testing.assert_allclose(ground(after, *there), ground(before, column, row), rtol=0, atol=1e-6)
    assert after[34735][11] == raster
    assert after[34737].startswith("WGS 84")
    assert notes == []


@pytest.mark.parametrize("bigtiff", [False, True])
def test_cielab_too(bigtiff):
    lab = np.full((HEIGHT, WIDTH, 3), 100, np.uint8)
    buffer = io.BytesIO()
    extra = [(*tag, True) for tag in (*SCALE_AND_TIE, keys(AREA))]
    tifffile.imwrite(buffer, lab, photometric="cielab", metadata=None, extratags=extra, bigtiff=bigtiff)
    decoded = decode(buffer.getvalue())
    assert "CIELab converted to sRGB" in decoded.notes
    pixels = decoded.rgb.repeat(DOWN, axis=0).repeat(ACROSS, axis=1)
    after = tags_of(encode(decoded.with_pixels(pixels, None), None, format="tiff").data)
    assert after[33550] == (10.0 / ACROSS, 5.0 / DOWN, 0.0)


def test_pixels_and_georeference_are_written_together():
    data, _ = enlarged(*SCALE_AND_TIE, keys(AREA))
    tags = tags_of(data)
    assert tags[33550] == (5.0, 5.0 / 3, 0.0)
    np.testing.assert_array_equal(decode(data).rgb, PHOTO.repeat(DOWN, axis=0).repeat(ACROSS, axis=1))


def test_rational_polynomials():
    values = [0.0, 0.0, 20.0, 28.0, 47.0, 8.0, 400.0, 20.5, 28.5, 0.1, 0.1, 500.0, *range(80)]
    data, _ = enlarged((50844, 12, 92, tuple(values)), keys(POINT))
    after = tags_of(data)[50844]
    assert after[2:4] == ((20.0 + 0.5) * DOWN - 0.5, (28.0 + 0.5) * ACROSS - 0.5)
    assert after[7:9] == (20.5 * DOWN, 28.5 * ACROSS)
    assert (*after[4:7], *after[9:]) == (*values[4:7], *values[9:])


def test_statistics_of_the_old_pixels_are_removed():
    xml = b'<GDALMetadata><Item name="STATISTICS_MEAN" sample="0">97</Item><Item name="A">b</Item></GDALMetadata>\0'
    data, _ = enlarged((42112, 2, len(xml), xml), (42113, 2, 2, b"0\0"), keys(AREA))
    tags = tags_of(data)
    assert tags[42112].rstrip("\0") == '<GDALMetadata><Item name="A">b</Item></GDALMetadata>'
    assert str(tags[42113]).strip("\0") == "0"


@pytest.mark.parametrize("format", ["png", "jpeg", "webp", "avif"])
def test_other_formats_say_so(format):
    assert "the georeference" in enlarged(*SCALE_AND_TIE, keys(AREA), format=format)[1][0]


def test_a_turned_image_loses_it_and_says_so():
    data, notes = enlarged(*SCALE_AND_TIE, keys(AREA), (274, 3, 1, 6))
    assert 33550 not in tags_of(data)
    assert any("georeference (the image was turned)" in note for note in notes)


def test_damaged_tags_are_harmless():
    for tag in (33550, 33922, 34264, 50844):
        data, _ = enlarged((tag, 12, 1, (1.0,)), (34735, 3, 3, (1, 1, 0)))
        assert tags_of(data)[tag] is not None
