"""Which rolling maps share a window: each is written over one before it, row by row, as soon as nobody reads that.

The trunk of a residual network is one window so: a block reads its input around a pixel, and later at that pixel only,
when it adds what it computed. Its hidden maps are another, if they have one mask: what is zero around the active pixels
of one is zero around those of the next, so it is written once. A shared window is never higher than those it replaces.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sparsesr.modelfile.operations.registry import mask_of, operation_of
from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.modelfile.spec import Node
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
    last_of: dict[str, list[int]] = {}  # windows by the map that was written last
    for name, node in number.items():
        entry = segment.nodes[node]
        shape = layout.row_shape(entry, grid, bf16)
        taken_over = [
            old
            for old in _candidates(entry, segment, [number[last] for last in last_of])
            if layout.row_shape(segment.nodes[number[old]], grid, bf16) == shape
            and may_overwrite(segment, bands, grid.height, old, name)
        ]
        group = last_of.pop(taken_over[0]) if taken_over else []
        last_of[name] = [*group, node]
    return list(last_of.values())


def _candidates(entry: TypedNode, segment: Segment, last_written: Sequence[int]) -> list[str]:
    """Maps, each the last in its window, that the output may perhaps be written over; what is best comes first."""
    node, others = entry.node, [segment.nodes[number].node for number in last_written]
    written = {other.output for other in others}
    own = [
        name
        for index, name in enumerate(node.inputs)
        if name in written and operation_of(node).in_place(node, index)
    ]
    mask = _zeros_outside(node)
    alike = [other.output for other in others if mask is not None and _zeros_outside(other) == mask]
    return [*own, *alike]


def _zeros_outside(node: Node) -> str | None:
    """The mask outside of which nothing but zeros is written; None without one."""
    masking = operation_of(node).masking
    if masking is None or masking.keeps_residual(node) or masking.dense_out(node) > 0:
        return None
    return mask_of(node)
