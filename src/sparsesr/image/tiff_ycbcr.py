"""TIFF pages in YCbCr that are not compressed as JPEG, which libvips takes for RGB (TIFF 6.0, sections 20 and 21)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyvips

from sparsesr.errors import InputError
from sparsesr.image.tiff_pages import TiffPage
from sparsesr.image.tiff_tags import COEFFICIENTS, COMPRESSION, PHOTOMETRIC, REFERENCE

Matrix = npt.NDArray[np.float64]

_YCBCR, _JPEG, _RGBA = 6, 7, 4
_BT601 = (0.299, 0.587, 0.114)
_FULL_RANGE = (0.0, 255.0, 128.0, 255.0, 128.0, 255.0)


def with_rgb(image: pyvips.Image, page: TiffPage, name: str) -> pyvips.Image:
    """The image, converted to RGB if it holds YCbCr. InputError for more than 8 bits."""
    if page.first(PHOTOMETRIC, -1) != _YCBCR or page.first(COMPRESSION, 1) == _JPEG:
        return image
    if image.bands == _RGBA:  # subsampled: libtiff has converted it, and added alpha
        return image.extract_band(0, n=3).copy(interpretation="srgb")
    if image.format != "uchar":
        what = "is a TIFF with YCbCr colours of more than 8 bits, which is not supported"
        raise InputError(what, where=name, remedy="convert it to RGB")
    matrix, offset = _to_rgb(page)
    rgb = image.recomb(pyvips.Image.new_from_array(matrix.tolist())).linear([1.0] * 3, offset.tolist())
    return rgb.rint().cast("uchar").copy(interpretation="srgb")


def _to_rgb(page: TiffPage) -> tuple[Matrix, Matrix]:
    """The (3, 3) matrix and the offset that make RGB of stored samples."""
    coefficients = page.rationals(COEFFICIENTS)
    red, green, blue = coefficients if len(coefficients) == 3 and coefficients[1] else _BT601
    stated = page.rationals(REFERENCE)
    reference = np.reshape(stated if len(stated) == 6 else _FULL_RANGE, (3, 2))
    if not np.diff(reference).all():
        reference = np.reshape(_FULL_RANGE, (3, 2))
    levels = np.array([255.0, 127.0, 127.0]) / np.diff(reference)[:, 0]
    of_levels = np.array(
        [
            [1.0, 0.0, 2 * (1 - red)],
            [1.0, -2 * blue * (1 - blue) / green, -2 * red * (1 - red) / green],
            [1.0, 2 * (1 - blue), 0.0],
        ]
    )
    matrix = of_levels * levels
    return matrix, -matrix @ reference[:, 0]
