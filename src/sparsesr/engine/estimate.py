"""Rough estimate of the time of a plan, from its multiply-adds and the processor's peak."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparsesr import _native
from sparsesr.engine.plan import Mode, Plan
from sparsesr.runtime.graph.cost import count_macs

if TYPE_CHECKING:
    from sparsesr.engine.execute import Network

TYPICAL_SHARE = 0.4
"""Share of the peak that whole networks typically reach; estimates are within a factor of two."""
_PEAK_MS = 20


def planned_macs(network: Network, plan: Plan) -> int:
    """Multiply-adds of a plan with every pixel active; overlaps count as often as they occur."""
    height, width = plan.needs.height, plan.needs.width
    if not plan.tiles:
        return count_macs(network.model, height, width).macs_dense
    windows = [(tile.window.height, tile.window.width) for tile in plan.tiles]
    passes = 2 if plan.mode is Mode.TILES and network.has_attention else 1
    probe = round(plan.probe_work * count_macs(network.model, height, width).macs_dense)
    each = {size: count_macs(network.model, *size).macs_dense for size in set(windows)}
    return probe + passes * sum(each[size] for size in windows)


def expected_seconds(macs: int, threads: int) -> float:
    """Time for ``macs`` multiply-adds; measures the processor's peak, which takes 20 ms."""
    peak_flops = _native.multiply_add_peak("f32", threads, _PEAK_MS) * 1e9
    return 2 * macs / (TYPICAL_SHARE * peak_flops)
