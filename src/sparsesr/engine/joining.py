"""Joining of the network's runs over tiles into a single run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.engine.plan import Tile
from sparsesr.runtime.session import RunResult
from sparsesr.runtime.stats import Stats

Pixels = npt.NDArray[Any]
Attention = Mapping[str, npt.NDArray[np.float32]]
Runs = Sequence[tuple[Tile, RunResult]]


def without_pixels(run: RunResult) -> RunResult:
    """The same run without its pixels, so that their memory can be freed."""
    return replace(run, image=np.empty((0, 0, 3), run.image.dtype))


def joined(image: Pixels, scale: int, runs: Runs, attention: Attention) -> RunResult:
    """One run for the whole ``image`` assembled from the tiles; with masks if the tiles kept theirs."""
    height, width = image.shape[0] // scale, image.shape[1] // scale
    masks = None if runs[0][1].masks is None else _joined_masks(height, width, runs)
    return RunResult(image, _joined_stats(runs), masks, dict(attention))


def joined_passes(runs: Sequence[RunResult]) -> RunResult:
    """One run for networks that ran in sequence: work is summed, densities are weighted by it; masks of the first."""
    every = [run.stats for run in runs]
    dense = np.array([stats.macs_dense for stats in every], np.float64)
    stats = replace(
        every[0],
        total_ms=sum(stats.total_ms for stats in every),
        layers=tuple(layer for stats in every for layer in stats.layers),
        macs=sum(stats.macs for stats in every),
        macs_dense=sum(stats.macs_dense for stats in every),
        density=_weighted(dense / dense.sum(), [stats.density for stats in every]),
    )
    return replace(runs[0], stats=stats)


def _joined_masks(height: int, width: int, runs: Runs) -> list[npt.NDArray[np.bool_]]:
    count = len(runs[0][1].masks or [])
    wholes = [np.zeros((height, width), np.bool_) for _ in range(count)]
    for tile, run in runs:
        inner = tile.core.within(tile.window)
        for whole, mask in zip(wholes, run.masks or [], strict=True):
            whole[tile.core.slices] = mask[inner.slices]
    return wholes


def _joined_stats(runs: Runs) -> Stats:
    """Sum the work of the tiles of the final pass, halos included; densities are weighted by window area."""
    every = [run.stats for _, run in runs]
    areas = np.array([tile.window.area for tile, _ in runs], np.float64)
    weights = areas / areas.sum()
    layers = tuple(
        replace(
            same[0],
            ms=sum(layer.ms for layer in same),
            macs=sum(layer.macs for layer in same),
            macs_dense=sum(layer.macs_dense for layer in same),
            map_bytes=sum(layer.map_bytes for layer in same),
            density=None if same[0].density is None else _weighted(weights, [x.density or 0.0 for x in same]),
        )
        for same in zip(*(stats.layers for stats in every), strict=True)
    )
    densities = {name: _weighted(weights, [x.densities[name] for x in every]) for name in every[0].densities}
    return replace(
        every[0],
        total_ms=sum(stats.total_ms for stats in every),
        layers=layers,
        macs=sum(stats.macs for stats in every),
        macs_dense=sum(stats.macs_dense for stats in every),
        densities=densities,
        density=_weighted(weights, [stats.density for stats in every]),
    )


def _weighted(weights: npt.NDArray[np.float64], values: Sequence[float]) -> float:
    return float(np.dot(weights, np.asarray(values, np.float64)))
