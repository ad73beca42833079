"""Quality on images that were JPEG files before they are upscaled, written into docs/models.md: a table for each scale.

    python benchmarks/compressed_photos.py --data FOLDER [--data FOLDER2 ...] [--model photo_x2 ...] [--threads 2]

Each FOLDER is one set (HR images, or a folder with ``HR``). LR images are shrunk as for ``sparsesr eval`` and saved by
libjpeg: 4:2:0 below quality 90, 4:4:4 from there. ``clean`` is the LR image itself. The baseline ``denoised`` removes
noise by total variation (Chambolle) before the first model upscales; its strength is the best one for each set and
quality, which flatters it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from degraded_photos import Degradation, Study, rounded
from skimage.restoration import denoise_tv_chambolle

from sparsesr.image.decode import decode
from sparsesr.image.decoded_image import DecodedImage
from sparsesr.image.samples import to_eight_bit
from sparsesr.image.vips import image_over
from sparsesr.measure.protocol import EvaluationSet, Pair, Pixels, load_pair

QUALITIES = (None, 90, 75, 50)
WEIGHTS = (0.005, 0.01, 0.02, 0.04)
"""Strengths of the denoiser."""


def _degradations(images: EvaluationSet, scale: int) -> Iterator[Degradation]:
    denoisers = [partial(_smoothed, weight=weight) for weight in WEIGHTS]
    for quality in QUALITIES:
        name = "clean" if quality is None else f"JPEG {quality}"
        yield Degradation(name, list(_pairs(images, quality, scale)), denoisers)


def _pairs(images: EvaluationSet, quality: int | None, scale: int) -> Iterator[Pair]:
    for image in images.images:
        pair = load_pair(image, scale)
        yield pair if quality is None else Pair(_compressed(pair.lr, quality), pair.hr)


def _compressed(lr: Pixels, quality: int) -> Pixels:
    return to_eight_bit(as_jpeg(lr, quality, subsampled=quality < 90).rgb)


def as_jpeg(lr: Pixels, quality: int, *, subsampled: bool, table: int = 0) -> DecodedImage:
    """An image after a JPEG, 4:2:0 or 4:4:4; ``table``: the kind of quantisation tables, beyond 0 of mozjpeg only."""
    subsampling = "on" if subsampled else "off"
    data = image_over(lr).jpegsave_buffer(Q=quality, subsample_mode=subsampling, quant_table=table)
    return decode(data)


def _smoothed(lr: Pixels, weight: float) -> Pixels:
    return rounded(denoise_tv_chambolle(lr / 255.0, weight=weight, channel_axis=-1))


if __name__ == "__main__":
    Study("compressed_photos", _degradations, "<!-- end of JPEG -->").run(__doc__ or "")
