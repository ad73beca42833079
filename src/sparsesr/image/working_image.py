"""Decoded samples as the planes that a network takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.image.colour import Table, look_up
from sparsesr.image.decoded_image import DecodedImage, Pixels


def working_image(samples: npt.NDArray[Any], code_table: Table | None) -> DecodedImage:
    """Split upright (H, W, 1 to 4) uint8 or uint16 samples into colours and alpha.

    ``code_table``, if any, makes the colours gamma-coded in 16 bits; ``bits`` stays that of the samples.
    """
    bits = samples.dtype.itemsize * 8
    has_alpha = samples.shape[2] in (2, 4)
    is_grey = samples.shape[2] <= 2
    alpha = np.ascontiguousarray(samples[..., -1]) if has_alpha else None
    rgb: Pixels = samples[..., :1].repeat(3, axis=2) if is_grey else np.ascontiguousarray(samples[..., :3])
    if code_table is not None:
        rgb = look_up(code_table, rgb)
        if alpha is not None and bits == 8:
            alpha = alpha.astype(np.uint16) * np.uint16(257)
    return DecodedImage(rgb, alpha, "grey" if is_grey else "rgb", bits)
