"""PNG for the screen: quick to write rather than small."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyvips

from sparsesr.image import vips
from sparsesr.image.containers import insert_in_png
from sparsesr.image.decoded_image import Metadata

_QUICKEST_COMPRESSION = 1


def screen_png(pixels: npt.NDArray[np.uint8], colours: Metadata) -> bytes:
    """(H, W, 3) or (H, W, 4) pixels as PNG with the profile and the colour chunks of ``colours``."""
    image = vips.image_over(pixels).copy(interpretation="srgb")
    if colours.icc is not None:
        vips.set_blob(image, "icc-profile-data", colours.icc)
    data: Any = image.pngsave_buffer(compression=_QUICKEST_COMPRESSION, keep=pyvips.enums.ForeignKeep.ICC)
    return insert_in_png(bytes(data), Metadata(icc=colours.icc, png_colour=colours.png_colour))
