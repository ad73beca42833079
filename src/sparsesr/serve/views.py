"""``View``: what a viewer sees of an image: a pyramid in 8 bits, in the colours of the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.image.decoded_image import DecodedImage, Metadata
from sparsesr.image.samples import to_eight_bit
from sparsesr.image.screen_png import screen_png
from sparsesr.serve.pyramid import TILE_PX, Cancelled, Pyramid, build
from sparsesr.serve.store import Store

_BAND_ROWS = 256
_VEIL, _WARM = (10.0, 10.0, 14.0, 178.0), (255.0, 122.0, 26.0, 110.0)
"""Colour and opacity where no mask is active, and where all are."""


@dataclass(frozen=True)
class View:
    """A pyramid and the colour profile of its pixels."""

    pyramid: Pyramid
    colours: Metadata

    def tile_png(self, level: int, column: int, row: int) -> bytes | None:
        """A tile as PNG; None if there is none at this place."""
        pixels = self.pyramid.tile(level, column, row)
        return None if pixels is None else screen_png(pixels, self.colours)

    def facts(self) -> dict[str, Any]:
        """Sizes of the levels and of a tile, for clients."""
        sizes = [(level.width, level.height) for level in self.pyramid.levels]
        return {"tile_px": TILE_PX, "levels": sizes}

    def close(self) -> None:
        """Drop the tiles."""
        self.pyramid.file.close()


def view_of(store: Store, image: DecodedImage, cancelled: Cancelled | None = None) -> View:
    """The view of an image. Profiles for linear light do not belong to working pixels, and are left out."""
    colours = Metadata() if image.transfer == "linear" else image.metadata.stripped()
    return View(build(store, _eight_bit(image), cancelled), colours)


def _eight_bit(image: DecodedImage) -> npt.NDArray[np.uint8]:
    """(H, W, 3 or 4) pixels, converted in bands: wider samples of a whole image would take much memory."""
    if image.rgb.dtype == np.uint8 and image.alpha is None:
        return image.rgb
    out = np.empty((image.height, image.width, 3 if image.alpha is None else 4), np.uint8)
    for top in range(0, image.height, _BAND_ROWS):
        band = slice(top, top + _BAND_ROWS)
        out[band, :, :3] = to_eight_bit(image.rgb[band])
        if image.alpha is not None:
            out[band, :, 3] = to_eight_bit(image.alpha[band])
    return out


def mask_view_of(store: Store, masks: list[npt.NDArray[np.bool_]]) -> View:
    """Where a network worked: dark where it skipped, warm where it computed, by the share of masks that are active."""
    active = np.zeros(masks[0].shape, np.uint16)
    for mask in masks:
        active += mask
    share = np.linspace(0, 1, len(masks) + 1)[:, None]
    colours = np.round(np.array(_VEIL) * (1 - share) + np.array(_WARM) * share).astype(np.uint8)
    return View(build(store, colours[active]), Metadata())
