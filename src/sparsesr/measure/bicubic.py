"""MATLAB's bicubic upscaling as a baseline, as in papers."""

from __future__ import annotations

from time import perf_counter

import numpy as np

from sparsesr.image.resize import imresize
from sparsesr.image.samples import quantised
from sparsesr.measure.method import InputImage, Upscaled, placeholder_model

BICUBIC = "bicubic"
"""Name for ``eval`` in place of a model's."""


class BicubicMethod:
    """``imresize`` to ``scale`` times the size, without a network."""

    precision, precision_reason = "fp32", "bicubic computes in double precision"

    def __init__(self, scale: int) -> None:
        self.model = placeholder_model(BICUBIC, scale)

    def upscale(self, image: InputImage) -> Upscaled:
        """Upscale (H, W, 3) to 8 bits; multiply-adds are counted for networks only, so 0."""
        started = perf_counter()
        upscaled = imresize(image, self.model.facts.scale)
        if upscaled.dtype != np.uint8:
            upscaled = quantised(upscaled, np.uint8)
        return Upscaled(upscaled, {}, 1.0, 0, perf_counter() - started)
