"""Measurement in overlapping crops, as authors measure networks with attention between pixels."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from sparsesr.engine.chop import chop, has_pixel_attention
from sparsesr.engine.tiles import paste
from sparsesr.measure.method import InputImage, Method, Upscaled
from sparsesr.modelfile.spec import ModelFile


class ChoppedMethod:
    """Upscales overlapping crops, each as a separate image."""

    def __init__(self, method: Method) -> None:
        self.model, self._method = method.model, method
        self.precision, self.precision_reason = method.precision, method.precision_reason

    def upscale(self, image: InputImage) -> Upscaled:
        """Upscale (H, W, 3) to 8 bits; densities are means weighted by crop area, overlaps included."""
        height, width = image.shape[:2]
        scale, tiles = self.model.facts.scale, chop(height, width)
        out = np.empty((height * scale, width * scale, 3), np.uint8)
        parts: list[Upscaled] = []
        for tile in tiles:
            box = tile.window
            parts.append(self._method.upscale(image[box.top : box.bottom, box.left : box.right]))
            paste(out, parts[-1].image, tile, scale)
        shares = np.array([tile.window.area for tile in tiles], np.float64)
        shares /= shares.sum()

        def mean(values: Iterable[float]) -> float:
            return float(np.dot(shares, np.fromiter(values, np.float64)))

        masks = {name: mean(part.masks[name] for part in parts) for name in parts[0].masks}
        macs, seconds = sum(part.macs for part in parts), sum(part.seconds for part in parts)
        return Upscaled(out, masks, mean(part.density for part in parts), macs, seconds)


def with_default_inference(method: Method) -> Method:
    """Return the method in crops if its network has attention between pixels, else unchanged."""
    return method if resolve_inference("auto", method.model) == "whole" else ChoppedMethod(method)


def resolve_inference(wanted: str, model: ModelFile) -> str:
    """Resolve ``auto`` to ``whole`` or ``chopped``, as the network's authors measure."""
    if wanted == "auto":
        return "chopped" if has_pixel_attention(model.graph) else "whole"
    return wanted
