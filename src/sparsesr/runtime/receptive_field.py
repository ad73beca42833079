"""How far a graph sees: what a tile of the picture needs around it to be computed as in the whole picture."""

from __future__ import annotations

from math import lcm

from sparsesr.modelfile.op_schema import FULL
from sparsesr.modelfile.ops import OPS, input_rows
from sparsesr.modelfile.spec import Graph, ModelFile
from sparsesr.modelfile.validation import type_graph


def halo_px(model: ModelFile) -> int:
    """LR pixels of context that an output pixel depends on, on each side, over all paths.

    Whole-picture operations are left out (see :func:`has_global_op`): no halo makes them right. Rows and
    columns are alike, since every operation is.
    """
    typed = type_graph(model.graph, {name: tensor.shape for name, tensor in model.tensors.items()})
    # Maps of a fraction of the picture's rows see it in blocks of so many: all repeats after that.
    period = lcm(*((entry.output.resolution or FULL).down for entry in typed))
    reaches = [_reach(model.graph, row, model.facts.scale) for row in range(period)]
    return max(max(above, below) for above, below in reaches)


def has_global_op(graph: Graph) -> bool:
    """True if some operation depends on the whole picture, so that no halo makes tiles exact."""
    return any(OPS[node.op].is_global for node in graph.nodes)


def _reach(graph: Graph, row: int, scale: int) -> tuple[int, int]:
    """Input rows needed (above, below) what one LR row becomes."""
    needed = {graph.output: (row * scale, (row + 1) * scale)}
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
