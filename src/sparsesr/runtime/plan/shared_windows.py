"""Which rolling maps share a window: each is written over one before it, row by row, as soon as nobody reads that.

The trunk of a residual network is one window so: a block reads its input around a pixel, and later at that pixel only,
when it adds what it computed. A shared window is never higher than the windows that it replaces.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sparsesr.modelfile.operations.registry import operation_of
from sparsesr.runtime.graph.segments import Segment
from sparsesr.runtime.plan.grid import Grid
from sparsesr.runtime.plan.map_layout import MapLayout
from sparsesr.runtime.plan.schedule import Band, may_overwrite


def window_groups(
    segment: Segment,
    bands: Sequence[Band],
    grid: Grid,
    rolling: Collection[str],
    layout: MapLayout,
    bf16: frozenset[str],
) -> list[list[int]]:
    """Nodes whose outputs share a window, in the order in which they are written.

    Args:
        segment: what is computed together.
        bands: its schedule.
        grid: size of the padded image.
        rolling: the segment's maps that have windows of a few rows; each is in one group.
        layout: of the backend.
        bf16: names of the maps with values in bf16.
    """
    number = {
        entry.node.output: node for node, entry in enumerate(segment.nodes) if entry.node.output in rolling
    }
    group_of: dict[str, list[int]] = {}
    for name, node in number.items():
        entry = segment.nodes[node]
        for index, old in enumerate(entry.node.inputs):
            if old in group_of and operation_of(entry.node).in_place(entry.node, index):
                before = segment.nodes[number[old]]
                is_alike = layout.row_shape(before, grid, bf16) == layout.row_shape(entry, grid, bf16)
                if is_alike and may_overwrite(segment, bands, grid.height, old, name):
                    group_of[name] = group_of[old]
                    break
        group_of.setdefault(name, []).append(node)
    return list({id(group): group for group in group_of.values()}.values())
