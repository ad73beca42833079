"""Runs a network over pixels as a plan says, and checks what came out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.engine.check import check_result
from sparsesr.engine.plan import Box, Mode, Plan, Tile
from sparsesr.engine.target import TargetReport
from sparsesr.engine.tiles import Attention, Deviation, measure_deviation, run_tiled
from sparsesr.errors import ResultError
from sparsesr.modelfile.spec import ModelFile
from sparsesr.runtime.instruction_set import scalar_kernels
from sparsesr.runtime.session import RunResult, Session
from sparsesr.runtime.stats import Stats

Pixels = npt.NDArray[Any]
Progress = Callable[[int, int], None]
"""Told (steps done, steps in all)."""
Cancelled = Callable[[], bool]


@dataclass(frozen=True)
class Network:
    """A session and what the plan has to know about its model."""

    model: ModelFile
    session: Session
    name: str
    scale: int
    halo_px: int
    multiple: int
    has_attention: bool

    def with_empty_session(self) -> Network:
        """The same without the working memory that the session keeps for the next run."""
        return replace(self, session=Session(self.model, self.session.threads, self.session.wanted_precision))


@dataclass(frozen=True)
class RunOptions:
    """How to run, apart from the plan."""

    effort: float | None = None
    target_ms: float | None = None
    """Choose the effort that takes so long; then `effort` is None."""
    dense: bool = False
    keep_masks: bool = False
    on_plan: Callable[[Plan, tuple[int, int]], None] | None = None
    """Told how the picture of this height and width will be enlarged, before that begins."""
    progress: Progress | None = None
    cancelled: Cancelled | None = None


@dataclass(frozen=True)
class Executed:
    """The enlarged pixels and what is known about the run."""

    image: Pixels
    stats: Stats
    masks: list[npt.NDArray[np.bool_]] | None
    deviation: Deviation | None = None
    notes: tuple[str, ...] = field(default=())
    effort: float | None = None
    """What was used; None: as trained."""
    target: TargetReport | None = None
    """How the effort was chosen, if a target was given."""


def execute(network: Network, pixels: Pixels, plan: Plan, options: RunOptions) -> Executed:
    """Enlarge (H, W, 3) uint8, uint16 or float32 pixels.

    A result that is no plausible picture is computed once more with the scalar kernels, which is slow.

    Raises:
        CancelledError: ``options.cancelled`` said so.
        ResultError: that result is not a plausible picture either.
    """
    if options.on_plan is not None:
        options.on_plan(plan, (pixels.shape[0], pixels.shape[1]))
    try:
        return replace(_execute(network, pixels, plan, options), effort=options.effort)
    except ResultError as error:
        fault = str(error).partition(";")[0]
    # Only here is the first result out of memory; the new session packs its weights for the scalar kernels.
    network.session.keep_buffers(0)
    with scalar_kernels():  # which also decide the precision of a session that begins here
        retry = network.with_empty_session()
        retry.session.keep_buffers(plan.kept_bytes)
        done = _execute(retry, pixels, plan, options)
    note = f"{fault}; the scalar kernels computed it right: please report this with `sparsesr doctor`"
    return replace(done, notes=(note, *done.notes), effort=options.effort)


def _execute(network: Network, pixels: Pixels, plan: Plan, options: RunOptions) -> Executed:
    if plan.mode is Mode.TILES:
        return _execute_tiles(network, pixels, plan, options)
    if plan.mode is Mode.CHOPPED:
        return _execute_crops(network, pixels, plan, options)
    result = run_whole(network, pixels, options, None, low_memory=plan.mode is Mode.LOW_MEMORY)
    check_result(pixels, result.image, network.scale, result.attention, network.name)
    return Executed(result.image, result.stats, result.masks)


def run_whole(
    network: Network, pixels: Pixels, options: RunOptions, attention: Attention | None, *, low_memory: bool
) -> RunResult:
    """One run of the network over these pixels, unchecked."""
    return network.session.run(
        pixels,
        dense=options.dense,
        effort=options.effort,
        keep_masks=options.keep_masks,
        attention=attention,
        low_memory=low_memory,
        progress=options.progress,
        cancelled=options.cancelled,
    )


def _execute_tiles(network: Network, pixels: Pixels, plan: Plan, options: RunOptions) -> Executed:
    quiet = replace(options, progress=None)
    current, size = network, (0, 0)

    def run(window: Pixels, attention: Attention | None) -> RunResult:
        nonlocal current, size
        if window.shape[:2] != size:  # sessions keep the memory of past sizes; here every byte counts
            current, size = current.with_empty_session(), (window.shape[0], window.shape[1])
            current.session.keep_buffers(plan.peak_bytes)  # of tiles of this one size
        return run_whole(current, window, quiet, attention, low_memory=True)

    tiled = run_tiled(
        pixels, plan.tiles, network.scale, run, has_attention=network.has_attention, on_tile=options.progress
    )
    check_result(pixels, tiled.image, network.scale, tiled.attention, network.name)
    deviation = None
    if network.has_attention:
        deviation = measure_deviation(
            pixels, plan, network.scale, run, halo_px=network.halo_px, multiple=network.multiple
        )
    height, width = pixels.shape[:2]
    masks = _joined_masks(height, width, tiled.results) if options.keep_masks else None
    note = _tiles_note(len(plan.tiles), network.has_attention, deviation)
    return Executed(tiled.image, _joined_stats(tiled.results), masks, deviation, (note,))


def _execute_crops(network: Network, pixels: Pixels, plan: Plan, options: RunOptions) -> Executed:
    """Each crop as if it were a picture."""
    quiet = replace(options, progress=None)

    def run(window: Pixels, attention: Attention | None) -> RunResult:
        return run_whole(network, window, quiet, attention, low_memory=False)

    tiled = run_tiled(pixels, plan.tiles, network.scale, run, has_attention=False, on_tile=options.progress)
    check_result(pixels, tiled.image, network.scale, {}, network.name)
    height, width = pixels.shape[:2]
    masks = _joined_masks(height, width, tiled.results) if options.keep_masks else None
    largest = max(tile.window.area for tile in plan.tiles)
    note = f"chopped: {len(plan.tiles)} overlapping crops of up to {largest} pixels, each enlarged by itself"
    return Executed(tiled.image, _joined_stats(tiled.results), masks, None, (note,))


def _tiles_note(count: int, has_attention: bool, deviation: Deviation | None) -> str:
    if not has_attention:
        return f"tiled: {count} tiles, which this model computes as it would the whole picture"
    if deviation is None:
        return f"tiled: {count} tiles; too little memory to measure how far that is from the whole picture"
    return (
        f"tiled: {count} tiles; deviates from the whole-picture result by at most"
        f" {deviation.max_levels:.3g}/255 (PSNR {deviation.psnr_db:.1f} dB) on a probe of"
        f" {deviation.probe_px}x{deviation.probe_px}"
    )


def _joined_masks(
    height: int, width: int, results: Sequence[tuple[Tile, RunResult]]
) -> list[npt.NDArray[np.bool_]]:
    count = len(results[0][1].masks or [])
    joined = [np.zeros((height, width), np.bool_) for _ in range(count)]
    for tile, result in results:
        core, inner = tile.core, _inside(tile)
        for whole, mask in zip(joined, result.masks or [], strict=True):
            part = mask[inner.top : inner.bottom, inner.left : inner.right]
            whole[core.top : core.bottom, core.left : core.right] = part
    return joined


def _inside(tile: Tile) -> Box:
    """The core, in coordinates of the window."""
    core, window = tile.core, tile.window
    return Box(
        core.top - window.top, core.left - window.left, core.bottom - window.top, core.right - window.left
    )


def _joined_stats(results: Sequence[tuple[Tile, RunResult]]) -> Stats:
    """Add up what the tiles of the final pass did, halos included; densities are weighted by window area."""
    every = [result.stats for _, result in results]
    areas = np.array([tile.window.area for tile, _ in results], np.float64)
    weights = areas / areas.sum()
    layers = tuple(
        replace(
            same[0],
            ms=sum(layer.ms for layer in same),
            macs=sum(layer.macs for layer in same),
            macs_dense=sum(layer.macs_dense for layer in same),
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
