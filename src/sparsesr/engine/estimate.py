"""Time that a run will take; counting multiply-adds and measuring the processor's peak tell which runs are short."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from sparsesr import _native
from sparsesr.engine.plan import Mode, Plan
from sparsesr.engine.target import probe_of
from sparsesr.runtime.graph.cost import count_macs

if TYPE_CHECKING:
    from sparsesr.engine.execute import Network, RunOptions

LONG_S = 10.0
_LIGHT_MACS = 10**11
_TYPICAL_SHARE = 0.4
"""Share of the fp32 peak that whole networks typically reach with every pixel active."""
_PEAK_MS = 20
_SHARE = 0.04
"""Of the rows of an image, measured for the estimate."""
_STRIP_ROWS = 64
"""Consecutive rows that are measured; the seams between strips are edges that the image does not have."""


def expected_seconds(
    network: Network, pixels: npt.NDArray[Any], plan: Plan, options: RunOptions
) -> float | None:
    """Seconds that upscaling (H, W, 3) pixels will take, measured on a small part of them; None if that is not long."""
    macs = planned_macs(network, plan)
    if macs < _LIGHT_MACS:
        return None
    most = _seconds_at_most(macs, network.session.threads)
    if most < LONG_S:
        return None
    if plan.mode is Mode.CHOPPED:  # attention between pixels: the time does not follow their number
        return most
    seconds = _measured_seconds(network, pixels, plan, options)
    return seconds if seconds >= LONG_S else None


def planned_macs(network: Network, plan: Plan) -> int:
    """Multiply-adds of a plan with every pixel active; overlaps count as often as they occur."""
    height, width = plan.needs.height, plan.needs.width
    if not plan.tiles:
        return count_macs(network.model, height, width).macs_dense
    windows = [(tile.window.height, tile.window.width) for tile in plan.tiles]
    probe = round(plan.probe_work * count_macs(network.model, height, width).macs_dense)
    each = {size: count_macs(network.model, *size).macs_dense for size in set(windows)}
    return probe + _passes(network, plan) * sum(each[size] for size in windows)


def _passes(network: Network, plan: Plan) -> int:
    """Runs over each tile: attention over the whole image needs one to be computed, and one to be used."""
    return 2 if plan.mode is Mode.TILES and network.has_attention else 1


def _seconds_at_most(macs: int, threads: int) -> float:
    peak_flops = _native.multiply_add_peak("f32", threads, _PEAK_MS) * 1e9
    return 2 * macs / (_TYPICAL_SHARE * peak_flops)


def _measured_seconds(network: Network, pixels: npt.NDArray[Any], plan: Plan, options: RunOptions) -> float:
    """Scaled up from strips of rows, with the masks that they have."""
    probe = probe_of(pixels, _STRIP_ROWS, _SHARE)
    run = partial(
        network.session.run, dense=options.dense, effort=options.effort, cancelled=options.cancelled
    )
    run(probe[: _STRIP_ROWS // 2])  # packs the weights
    start = time.perf_counter()
    run(probe)
    passed = time.perf_counter() - start
    return passed * _passes(network, plan) * plan.computed_px / (probe.shape[0] * probe.shape[1])
