"""Groups of rolling maps that share a window: each map overwrites the one before it once its rows have been read.

The trunk of a residual network needs one window: a block first reads its input around a pixel, and later only at that
pixel, to add its result. Hidden maps under one mask share another: the zeros around active pixels are the same for all
of them, so they are written once. Quantised copies of a trunk share a third, which then stays in a near cache. Maps
without a mask share windows too: nothing is left of what they overwrite. A shared window is never higher than those it
replaces.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sparsesr.modelfile.operations.attributes import OUTSIDE_UNWRITTEN
from sparsesr.modelfile.operations.registry import mask_of, operation_of
from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.modelfile.spec import Node
from sparsesr.runtime.graph.number_types import MapTypes
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
    types: MapTypes,
) -> list[list[int]]:
    """Groups of nodes whose outputs share a window, each in the order of writing.

    Args:
        segment: the segment.
        bands: its schedule.
        grid: size of the padded image.
        rolling: the segment's rolling maps; each ends up in one group.
        layout: memory layout of the backend.
        types: types of the maps that are not in fp32.
    """
    number = {
        entry.node.output: node for node, entry in enumerate(segment.nodes) if entry.node.output in rolling
    }
    last_of: dict[str, list[int]] = {}  # windows by the map written last
    for name, node in number.items():
        entry = segment.nodes[node]
        shape = layout.row_shape(entry, grid, types)
        taken_over = (
            old
            for old in _candidates(entry, segment, [number[last] for last in last_of])
            if layout.row_shape(segment.nodes[number[old]], grid, types) == shape
            and may_overwrite(segment, bands, grid.height, old, name)
        )
        best = next(taken_over, None)  # following a schedule takes time, so no more of them than needed
        group = [] if best is None else last_of.pop(best)
        last_of[name] = [*group, node]
    return list(last_of.values())


def _candidates(entry: TypedNode, segment: Segment, last_written: Sequence[int]) -> list[str]:
    """Maps, each the last in its window, that the output could overwrite; the best candidate comes first."""
    node, others = entry.node, [segment.nodes[number].node for number in last_written]
    written = {other.output for other in others}
    own = [
        name
        for index, name in enumerate(node.inputs)
        if name in written and operation_of(node).in_place(node, index)
    ]
    mask = _zeros_outside(node)
    alike = [other.output for other in others if mask is not None and _zeros_outside(other) == mask]
    copies = [other.output for other in others if _is_copy(node) and _is_copy(other)]
    complete = [other.output for other in others if _is_complete(node) and _is_complete(other)]
    return [*own, *alike, *copies, *complete]


def _is_copy(node: Node) -> bool:
    return operation_of(node).is_by_product


def _is_complete(node: Node) -> bool:
    """True if every pixel of the output is written, so nothing of what was there before is left."""
    return mask_of(node) is None and not _is_copy(node)


def _zeros_outside(node: Node) -> str | None:
    """The mask at whose inactive pixels a node's output is all zero; None if there is no such mask."""
    masking = operation_of(node).masking
    if (
        masking is None
        or masking.keeps_residual(node)
        or masking.dense_out(node) > 0
        or OUTSIDE_UNWRITTEN.of(node)
    ):
        return None
    return mask_of(node)
