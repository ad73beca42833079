"""Quality on images with Gaussian noise before they are upscaled x2, written into docs/models.md.

    python benchmarks/noisy_photos.py --data FOLDER [--data FOLDER2 ...] --model MODEL [--model ...] [--threads 2]

Each FOLDER is one set (HR images, or a folder with ``HR``); the noise is that of ``sparsesr eval --noise-sigma``. The
baseline ``denoised`` removes noise by non-local means before the first model upscales; it knows the level, and its
strength is the best one for each set and level.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from degraded_photos import Degradation, Study, rounded
from skimage.restoration import denoise_nl_means

from sparsesr.measure.protocol import EvaluationSet, Pixels, load_pairs

SIGMAS = (0.0, 15.0, 25.0, 35.0, 50.0)
"""Standard deviations of the noise, of 255."""
STRENGTHS = (0.4, 0.6, 0.8)
"""Filter strengths of the denoiser, times the standard deviation."""


def _degradations(images: EvaluationSet, scale: int) -> Iterator[Degradation]:
    for sigma in SIGMAS:
        pairs = [pair for _, pair in load_pairs(images, scale, 1, sigma)]
        denoisers = [partial(_smoothed, sigma=sigma / 255, strength=strength) for strength in STRENGTHS]
        yield Degradation(f"sigma {sigma:g}", pairs, denoisers if sigma else [_unchanged])


def _smoothed(lr: Pixels, sigma: float, strength: float) -> Pixels:
    """``lr`` has noise, so it is in 0..1."""
    smooth = denoise_nl_means(
        lr, patch_size=5, patch_distance=6, h=strength * sigma, sigma=sigma, channel_axis=-1
    )
    return rounded(smooth)


def _unchanged(lr: Pixels) -> Pixels:
    return lr


if __name__ == "__main__":
    Study("noisy_photos", _degradations, "<!-- end of noise -->").run(__doc__ or "")
