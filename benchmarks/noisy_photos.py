"""Quality on images with Gaussian noise before they are upscaled x2, written into docs/models.md.

    python benchmarks/noisy_photos.py --data FOLDER [--data FOLDER2 ...] --model MODEL [--model ...] [--threads 2]

Each FOLDER is one set (HR images, or a folder with ``HR``); the noise is that of ``sparsesr eval --noise-sigma``. The
baseline ``denoised`` removes noise by non-local means before the first model upscales; it knows the level, and its
strength is the best one for each set and level.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import record
from degraded_photos import Cells, measured, rounded, table
from model_quality import replace
from skimage.restoration import denoise_nl_means

from sparsesr.measure.native import open_method
from sparsesr.measure.protocol import Pixels, find_sets, load_pairs

SIGMAS = (0.0, 15.0, 25.0, 35.0, 50.0)
"""Standard deviations of the noise, of 255."""
STRENGTHS = (0.4, 0.6, 0.8)
"""Filter strengths of the denoiser, times the standard deviation."""
SCALE = 2
BEGIN, END = "<!-- measured by benchmarks/noisy_photos.py -->", "<!-- end of noise -->"
PAGE = Path(__file__).parents[1] / "docs/models.md"


def main() -> None:
    """Measure all methods on all sets and rewrite the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument(
        "--model", action="append", required=True, help="repeatable; the first one follows the denoiser"
    )
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    models = {name: open_method(name, chosen.threads) for name in chosen.model}
    methods = {"bicubic": open_method("bicubic", chosen.threads, scale=SCALE), **models}
    results: dict[str, Cells] = {}
    for folder in chosen.data:
        (images,) = find_sets(folder, SCALE)
        for sigma in SIGMAS:
            pairs = [pair for _, pair in load_pairs(images, SCALE, 1, sigma)]
            denoisers = [partial(_smoothed, sigma=sigma / 255, strength=strength) for strength in STRENGTHS]
            column = f"{images.name}, {sigma:g}"
            results[column] = measured(pairs, methods, chosen.model[0], denoisers if sigma else [_unchanged])
            print(
                column, {name: f"{cell['psnr_y']:.2f}" for name, cell in results[column].items()}, flush=True
            )
    command = f"benchmarks/noisy_photos.py --data FOLDER --model {' --model '.join(chosen.model)}"
    record.write("noisy_photos_x2", {**record.circumstances(command), "columns": results})
    replace(PAGE, table(results), BEGIN, END)


def _smoothed(lr: Pixels, sigma: float, strength: float) -> Pixels:
    """``lr`` has noise, so it is in 0..1."""
    smooth = denoise_nl_means(
        lr, patch_size=5, patch_distance=6, h=strength * sigma, sigma=sigma, channel_axis=-1
    )
    return rounded(smooth)


def _unchanged(lr: Pixels) -> Pixels:
    return lr


if __name__ == "__main__":
    main()
