"""Bicubic upscaling as a baseline: MATLAB's, as papers use it."""

from __future__ import annotations

from time import perf_counter

import numpy as np

from sparsesr.image.resize import imresize
from sparsesr.image.samples import quantised
from sparsesr.measure.method import InputImage, Upscaled, without_network

BICUBIC = "bicubic"
"""What ``eval`` takes in place of a model's name."""


class BicubicMethod:
    """No network: ``imresize`` to ``scale`` times the size."""

    precision, precision_reason = "fp32", "bicubic computes in double precision"

    def __init__(self, scale: int) -> None:
        self.model = without_network(BICUBIC, scale)

    def upscale(self, image: InputImage) -> Upscaled:
        """Upscale (H, W, 3) to 8 bits; multiply-adds are those of networks only, so none."""
        started = perf_counter()
        upscaled = imresize(image, self.model.facts.scale)
        if upscaled.dtype != np.uint8:
            upscaled = quantised(upscaled, np.uint8)
        return Upscaled(upscaled, {}, 1.0, 0, perf_counter() - started)
