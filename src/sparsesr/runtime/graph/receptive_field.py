"""How far a graph sees: what a tile of the picture needs around it to be computed as in the whole picture."""

from __future__ import annotations

from math import lcm

from sparsesr.modelfile.operations.registry import input_rows, operation_of
from sparsesr.modelfile.operations.value_types import FULL
from sparsesr.modelfile.spec import Graph, ModelFile
from sparsesr.modelfile.validation import type_graph


def halo_px(model: ModelFile) -> int:
    """LR pixels of context that an output pixel depends on, on each side, over all paths.

    Whole-picture operations are left out (see :func:`sees_whole_image`): no halo makes them right. Rows and
    columns are alike, since every operation is.
    """
    typed = type_graph(model.graph, {name: tensor.shape for name, tensor in model.tensors.items()})
    # Maps of a fraction of the picture's rows see it in blocks of so many: all repeats after that.
    period = lcm(*((entry.output.resolution or FULL).down for entry in typed))
    reaches = [_reach(model.graph, row, model.facts.scale) for row in range(period)]
    return max(max(above, below) for above, below in reaches)


def sees_whole_image(graph: Graph) -> bool:
    """True if some operation depends on the whole picture, so that no halo makes tiles exact."""
    return any(operation_of(node).sees_whole_image for node in graph.nodes)


def _reach(graph: Graph, row: int, scale: int) -> tuple[int, int]:
    """Input rows needed (above, below) what one LR row becomes."""
    needed = {graph.output: (row * scale, (row + 1) * scale)}
    for node in reversed(graph.nodes):
        rows = needed.get(node.output)
        if rows is None or operation_of(node).sees_whole_image:
            continue
        for index, name in enumerate(node.inputs):
            low, high = input_rows(node, *rows, index)
            known = needed.get(name, (low, high))
            needed[name] = (min(low, known[0]), max(high, known[1]))
    first, end = needed.get(graph.input, (row, row + 1))
    return row - first, end - row - 1
