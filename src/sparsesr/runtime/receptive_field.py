"""How far a graph sees: what a tile of the picture needs around it to be computed as in the whole picture."""

from __future__ import annotations

from sparsesr.modelfile.ops import OPS, input_rows
from sparsesr.modelfile.spec import Graph

_ALIGNMENTS = (0, 1)
"""Full and half are the only resolutions inside a graph, so all repeats every two rows."""


def halo_px(graph: Graph) -> int:
    """LR pixels of context that an output pixel depends on, on each side, over all paths.

    Whole-picture operations are left out (see :func:`has_global_op`): no halo makes them right. Rows and
    columns are alike, since every operation is.
    """
    reaches = [_reach(graph, row) for row in _ALIGNMENTS]
    return max(max(above, below) for above, below in reaches)


def has_global_op(graph: Graph) -> bool:
    """True if some operation depends on the whole picture, so that no halo makes tiles exact."""
    return any(OPS[node.op].is_global for node in graph.nodes)


def _reach(graph: Graph, row: int) -> tuple[int, int]:
    """Input rows needed (above, below) one LR row of the output."""
    needed = {graph.output: (row, row + 1)}
    for node in reversed(graph.nodes):
        rows = needed.get(node.output)
        if rows is None or OPS[node.op].is_global:
            continue
        for index, name in enumerate(node.inputs):
            low, high = input_rows(node, *rows, index)
            known = needed.get(name, (low, high))
            needed[name] = (min(low, known[0]), max(high, known[1]))
    first, end = needed.get(graph.input, (row, row + 1))
    return row - first, end - row - 1
