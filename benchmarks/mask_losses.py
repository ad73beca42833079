"""What a network loses at inactive pixels: its sparse result against its own dense one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from sparsesr.image.decoded_image import DecodedImage
from sparsesr.image.encode import encode
from sparsesr.image.resize import imresize
from sparsesr.modelfile.spec import ModelFile
from sparsesr.runtime.session import Session

BLOCK_PX = 64
"""Side of the blocks of the result that are compared."""
_CROP_PX = 256
Pixels = Any
"""(H, W, 3), 8 bits."""


def mask_losses(
    model: ModelFile, image: Pixels, efforts: Sequence[float], threads: int, crops: Path | None = None
) -> list[dict[str, Any]]:
    """Compare results at several efforts with the dense result, in fp32, as rows.

    ``kept``: share of what the dense network changes over bicubic interpolation (in squared error) that the sparse one
    keeps: 0 where masks sleep, 1 where nothing is lost. ``worst_block``: root mean square, in levels of 255, of the
    block of 64 x 64 pixels that differs most. With ``crops``, writes bicubic, sparse and dense side by side there, at
    the effort 0.5: CROPS.png.
    """
    session, scale = Session(model, threads), model.facts.scale
    dense = session.run(image, dense=True).image
    bicubic = imresize(image, Fraction(scale), edge="mirror")
    change = _squares(bicubic, dense)
    rows: list[dict[str, Any]] = []
    for effort in efforts:
        run = session.run(image, effort=effort)
        squares = _squares(run.image, dense)
        blocks = _block_means(squares)
        rows.append(
            {
                "effort": effort,
                "density": round(run.stats.density, 4),
                "psnr_db": round(_psnr(float(squares.mean())), 2),
                "bicubic_psnr_db": round(_psnr(float(change.mean())), 2),
                "kept": round(1 - float(squares.sum()) / max(float(change.sum()), 1e-9), 4),
                "largest": int(np.sqrt(squares.max()).round()),
                "worst_block": round(math.sqrt(blocks.max()), 2),
            }
        )
        if crops and effort == 0.5:
            _write_crop(crops, [bicubic, run.image, dense], blocks)
    return rows


def _squares(image: Pixels, other: Pixels) -> Any:
    """Squared differences (H, W), the mean over channels."""
    difference = image.astype(np.float32) - other.astype(np.float32)
    return (difference * difference).mean(axis=2)


def _psnr(mean_square: float) -> float:
    """dB; 99 for equal images."""
    return min(99.0, 10 * math.log10(255**2 / max(mean_square, 1e-9)))


def _block_means(squares: Any) -> Any:
    rows, columns = (side // BLOCK_PX for side in squares.shape)
    cut = squares[: rows * BLOCK_PX, : columns * BLOCK_PX]
    return cut.reshape(rows, BLOCK_PX, columns, BLOCK_PX).mean(axis=(1, 3))


def _write_crop(path: Path, images: Sequence[Pixels], blocks: Any) -> None:
    row, column = (int(index) for index in np.unravel_index(int(blocks.argmax()), blocks.shape))
    margin = (_CROP_PX - BLOCK_PX) // 2
    top, left = (max(0, index * BLOCK_PX - margin) for index in (row, column))
    cut = [image[top : top + _CROP_PX, left : left + _CROP_PX] for image in images]
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = np.ascontiguousarray(np.concatenate(cut, axis=1))
    encode(DecodedImage(whole), path.with_suffix(".png"), overwrite=True)
