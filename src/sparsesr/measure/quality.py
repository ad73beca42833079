"""Quality of a method on a set: PSNR and SSIM, with density, multiply-adds and time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sparsesr.errors import InputError
from sparsesr.image.metrics import psnr_y, ssim_y
from sparsesr.image.source import printable
from sparsesr.measure.method import Method
from sparsesr.measure.protocol import EvaluationImage, EvaluationSet, Pair, load_pairs


@dataclass(frozen=True)
class ImageResult:
    """Quality and cost on one image."""

    name: str
    psnr_y: float
    """dB, on luma, borders of ``scale`` pixels cropped."""
    ssim_y: float
    density: float
    """Density as the paper counts it; 1 for a model without masks."""
    masks: Mapping[str, float]
    """Density of each mask."""
    macs: int
    """Multiply-adds at the image's masks."""
    seconds: float


@dataclass(frozen=True)
class SetResult:
    """Quality and cost on the images of a set."""

    name: str
    images: tuple[ImageResult, ...]

    def mean(self, field: str) -> float:
        """Mean over the images of a numeric field of :class:`ImageResult`."""
        return float(np.mean([getattr(image, field) for image in self.images]))

    def to_json(self) -> dict[str, Any]:
        """Return ``{"set", "mean": {...}, "images": [...]}``, serialisable as JSON."""
        fields = ("psnr_y", "ssim_y", "density", "macs", "seconds")
        return {
            "set": self.name,
            "mean": {field: _finite(self.mean(field)) for field in fields},
            "images": [
                {key: _finite(value) for key, value in asdict(image).items()} for image in self.images
            ],
        }


def _finite(value: Any) -> Any:
    """Replace infinity, which JSON lacks, by null: the PSNR of equal images."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def evaluate(
    method: Method,
    images: EvaluationSet,
    progress: Callable[[ImageResult], None] | None = None,
    noise_sigma: float = 0.0,
) -> SetResult:
    """Measure a method on a set.

    Args:
        method: the method, for example from :func:`sparsesr.measure.native.open_method`.
        images: the set; see :func:`sparsesr.measure.protocol.find_sets`.
        progress: called after each image.
        noise_sigma: standard deviation (of 255) of the reproducible noise added to LR.

    Raises:
        InputError: an image cannot be read or is too small.
    """
    facts, results = method.model.facts, list[ImageResult]()
    pairs = load_pairs(images, facts.scale, facts.size_multiple, noise_sigma)
    for image, (_, pair) in zip(images.images, pairs, strict=True):
        results.append(_measure(method, image, pair))
        if progress is not None:
            progress(results[-1])
    return SetResult(images.name, tuple(results))


def _measure(method: Method, image: EvaluationImage, pair: Pair) -> ImageResult:
    done = method.upscale(pair.lr)
    scale = method.model.facts.scale
    try:
        psnr, ssim = psnr_y(done.image, pair.hr, scale), ssim_y(done.image, pair.hr, scale)
    except ValueError as error:
        raise InputError(
            f"cannot be measured: {error}", where=printable(image.hr), remedy="leave it out of the set"
        ) from None
    return ImageResult(image.name, psnr, ssim, done.density, dict(done.masks), done.macs, done.seconds)
