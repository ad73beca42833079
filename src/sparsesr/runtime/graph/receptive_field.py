"""Receptive field of a graph: the context that a tile needs to give the same pixels as the whole image."""

from __future__ import annotations

from collections.abc import Sequence
from math import lcm

from sparsesr.modelfile.operations.facts import Rows
from sparsesr.modelfile.operations.registry import input_rows, operation_of
from sparsesr.modelfile.operations.value_types import FULL, TypedNode
from sparsesr.modelfile.spec import Graph, ModelFile, Node
from sparsesr.modelfile.validation import typed_nodes


def halo_px(model: ModelFile) -> int:
    """LR pixels of context that an output pixel depends on, on each side, over all paths.

    Ignores whole-image operations (see :func:`sees_whole_image`), which no halo makes exact. Rows and columns have the
    same halo, since every operation is symmetric in them.
    """
    typed = typed_nodes(model.graph, model.tensors)
    reaches = [_reach(model.graph, row, model.facts.scale) for row in range(row_period(typed))]
    return max(max(above, below) for above, below in reaches)


def sees_whole_image(graph: Graph) -> bool:
    """True if an operation depends on the whole image, so that no halo makes tiles exact."""
    return any(operation_of(node).sees_whole_image for node in graph.nodes)


def _reach(graph: Graph, row: int, scale: int) -> tuple[int, int]:
    """Input rows needed (above, below) one LR row to compute its output rows."""
    needed = needed_rows(graph.nodes, graph.output, row * scale, (row + 1) * scale)
    first, end = needed.get(graph.input, (row, row + 1))
    return row - first, end - row - 1


def row_period(typed: Sequence[TypedNode]) -> int:
    """Rows after which reaches repeat: maps at 1/n of the resolution see the image in blocks of n rows."""
    return lcm(*((entry.output.resolution or FULL).down for entry in typed))


def needed_rows(nodes: Sequence[Node], target: str, r0: int, r1: int) -> dict[str, Rows]:
    """Rows of every tensor, in its own rows and not clipped, that rows [r0, r1) of ``target`` depend on."""
    needed = {target: (r0, r1)}
    for node in reversed(nodes):
        rows = needed.get(node.output)
        if rows is None or operation_of(node).sees_whole_image:
            continue
        for index, name in enumerate(node.inputs):
            low, high = input_rows(node, *rows, index)
            known = needed.get(name, (low, high))
            needed[name] = (min(low, known[0]), max(high, known[1]))
    return needed
