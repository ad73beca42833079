"""Quality on images that were JPEG files before they are upscaled, written into docs/models.md: a table for each scale.

    python benchmarks/compressed_photos.py --data FOLDER [--data FOLDER2 ...] [--model photo_x2 ...] [--threads 2]

Each FOLDER is one set (HR images, or a folder with ``HR``). LR images are shrunk as for ``sparsesr eval`` and saved by
libjpeg: 4:2:0 below quality 90, 4:4:4 from there. ``clean`` is the LR image itself. The baseline ``denoised`` removes
noise by total variation (Chambolle) before the first model upscales; its strength is the best one for each set and
quality, which flatters it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import record
from degraded_photos import Cells, measured, rounded, table
from model_quality import replace
from skimage.restoration import denoise_tv_chambolle

from sparsesr.image.decode import decode
from sparsesr.image.decoded_image import DecodedImage
from sparsesr.image.samples import to_eight_bit
from sparsesr.image.vips import image_over
from sparsesr.measure.native import open_method
from sparsesr.measure.protocol import EvaluationSet, Pair, Pixels, find_sets, load_pair

QUALITIES = (None, 90, 75, 50)
WEIGHTS = (0.005, 0.01, 0.02, 0.04)
"""Strengths of the denoiser."""
BEGIN, END = "<!-- measured by benchmarks/compressed_photos.py, x{} -->", "<!-- end of JPEG -->"
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
    scale = models[chosen.model[0]].model.facts.scale
    methods = {"bicubic": open_method("bicubic", chosen.threads, scale=scale), **models}
    denoisers = [partial(_smoothed, weight=weight) for weight in WEIGHTS]
    results: dict[str, Cells] = {}
    for folder in chosen.data:
        (images,) = find_sets(folder, scale)
        for quality in QUALITIES:
            column = f"{images.name} {'clean' if quality is None else f'JPEG {quality}'}"
            pairs = list(_pairs(images, quality, scale))
            results[column] = measured(pairs, methods, chosen.model[0], denoisers)
            print(
                column, {name: round(cell["psnr_y"], 2) for name, cell in results[column].items()}, flush=True
            )
    command = f"benchmarks/compressed_photos.py --data FOLDER --model {' --model '.join(chosen.model)}"
    record.write(f"compressed_photos_x{scale}", {**record.circumstances(command), "columns": results})
    replace(PAGE, table(results), BEGIN.format(scale), END)


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
    main()
