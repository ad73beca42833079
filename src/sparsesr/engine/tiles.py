"""Tiled execution for images that do not fit in memory, and its deviation from the exact result.

SMSR's channel attention depends on the mean over the whole image, so tiles run twice: first to compute each tile's
attention vectors, which are averaged by area, then again with the averages fixed. The average of sigmoids is not the
sigmoid of the average, so the result deviates; :func:`measure_deviation` measures this on a part of the image.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.engine.joining import Attention, joined, without_pixels
from sparsesr.engine.plan import Box, Plan, Tile, cut_tiles
from sparsesr.image.samples import peak_of
from sparsesr.runtime.session import RunResult

Pixels = npt.NDArray[Any]
RunWindow = Callable[[Pixels, "Attention | None"], RunResult]
"""Runs the network on the pixels of a window, with fixed attention vectors or, if None, its own."""


@dataclass(frozen=True)
class Deviation:
    """Deviation of an approximate from the whole-image result: for tiles, on a square from the centre."""

    max_levels: float
    """Largest difference in 8-bit levels."""
    psnr_db: float
    """PSNR between the two; infinite if equal."""
    probe_px: int
    """Side of the square; 0: the whole image."""


def run_tiled(
    pixels: Pixels,
    tiles: Sequence[Tile],
    scale: int,
    run: RunWindow,
    *,
    has_attention: bool,
    on_tile: Callable[[int, int], None] | None = None,
) -> RunResult:
    """Upscale (H, W, 3) pixels tile by tile; same dtype, (scale H, scale W, 3). Joins the runs of the final pass.

    ``on_tile`` is called with (tiles done, total tiles), counting both passes.
    """
    count = len(tiles) * (2 if has_attention else 1)
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if on_tile is not None:
            on_tile(done, count)

    attention: Attention = {}
    if has_attention:
        vectors: list[Attention] = []
        for tile in tiles:
            vectors.append(run(_window(pixels, tile.window), None).attention)
            step()
        attention = average_attention(vectors, [tile.core.area for tile in tiles])
    height, width = pixels.shape[:2]
    out = np.empty((height * scale, width * scale, 3), pixels.dtype)
    runs: list[tuple[Tile, RunResult]] = []
    for tile in tiles:
        result = run(_window(pixels, tile.window), attention or None)
        paste(out, result.image, tile, scale)
        runs.append((tile, without_pixels(result)))  # or all tiles' pixels would be held until the end
        step()
    return joined(out, scale, runs, attention)


def average_attention(vectors: Sequence[Attention], areas: Sequence[int]) -> Attention:
    """Average attention vectors, weighted by area."""
    weights = np.asarray(areas, np.float64) / sum(areas)
    return {
        name: sum(
            (w * each[name].astype(np.float64) for w, each in zip(weights, vectors, strict=True)),
            np.zeros(vectors[0][name].shape),
        ).astype(np.float32)
        for name in vectors[0]
    }


def _window(pixels: Pixels, box: Box) -> Pixels:
    return np.ascontiguousarray(pixels[box.slices])


def paste(out: Pixels, upscaled: Pixels, tile: Tile, scale: int) -> None:
    """Copy the core of an upscaled window to its place in ``out``."""
    inner = tile.core.within(tile.window)
    out[tile.core.enlarged(scale).slices] = upscaled[inner.enlarged(scale).slices]


def measure_deviation(
    pixels: Pixels, plan: Plan, scale: int, run: RunWindow, *, halo_px: int, multiple: int
) -> Deviation | None:
    """Upscale a square from the centre whole and in tiles, and compare; None if the square would be too small.

    It is the largest square that fits in memory whole, cut into at least four tiles.
    """
    side = min(plan.probe_px, *pixels.shape[:2]) // (2 * multiple) * (2 * multiple)
    if side < 4 * multiple:
        return None
    top, left = ((size - side) // 2 for size in pixels.shape[:2])
    square = _window(pixels, Box(top, left, top + side, left + side))
    core = min(
        side // 2,
        max(multiple, plan.tiles[0].core.height),
        max(multiple, plan.tiles[0].core.width),
    )
    core = -(-core // multiple) * multiple
    whole = run(square, None).image
    tiled = run_tiled(
        square, cut_tiles(side, side, core, core, halo_px, multiple), scale, run, has_attention=True
    )
    return compared(whole, tiled.image, side)


def compared(a: Pixels, b: Pixels, side: int = 0) -> Deviation:
    """The deviation between two images, or squares with this side.

    Row by row: float copies of whole images would not fit where tiles are needed.
    """
    to_levels = 255.0 / peak_of(a.dtype)
    largest = squares = 0.0
    for row_a, row_b in zip(a, b, strict=True):
        difference = (row_a.astype(np.float64) - row_b.astype(np.float64)) * to_levels
        largest = max(largest, float(np.abs(difference).max()))
        squares += float(np.square(difference).sum())
    psnr_db = math.inf if squares == 0 else 10 * math.log10(255.0**2 * a.size / squares)
    return Deviation(largest, psnr_db, side)
