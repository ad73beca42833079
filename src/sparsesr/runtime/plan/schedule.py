"""Which rows each node of a segment computes when: a wavefront that moves from top to bottom.

In every band the last nodes of the segment advance by `band_rows`; the others go as far ahead as their
readers need, and sums as far as their inputs are there. No row is computed twice. Every map counts in its own
rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sparsesr.modelfile.operations.registry import input_rows, operation_of
from sparsesr.modelfile.operations.value_types import FULL, TypedNode
from sparsesr.modelfile.spec import Node
from sparsesr.runtime.graph.segments import Segment, streamed_inputs


@dataclass(frozen=True)
class Step:
    """One node computes rows [r0, r1)."""

    node: int
    """Index in the segment."""
    r0: int
    r1: int
    keep: int
    """First row of the node's output that somebody still has to read when this step begins."""


@dataclass(frozen=True)
class Band:
    """Steps to be done in order."""

    end: int
    """LR rows that the segment has finished afterwards."""
    steps: tuple[Step, ...]


def total_rows(entry: TypedNode, height: int) -> int:
    """Rows of a node's output; for a mean, those of the map it reads."""
    value = entry.output if entry.output.resolution is not None else entry.inputs[0]
    return (value.resolution or FULL).of(height)


def make_bands(segment: Segment, height: int, band_rows: int) -> tuple[Band, ...]:
    """Schedule a segment for a picture of `height` (padded) LR rows."""
    front = _Front(segment.nodes, height)
    # The first nodes start alone, in the same strides: all at once, their windows would be as high as their lead.
    start = [step for end in range(-front.lead(band_rows), 1, band_rows) for step in front.advance(end)]
    ends = [*range(band_rows, height, band_rows), height]
    first, *others = (Band(end, front.advance(end)) for end in ends)
    return Band(first.end, (*start, *first.steps)), *others


def may_overwrite(segment: Segment, bands: Sequence[Band], height: int, old: str, new: str) -> bool:
    """True if the rows of `new` can be written over those of `old`, a whole map of an earlier segment.

    That needs every reader of `old` to be past a row before that row is written, or to be the writer itself
    that reads each pixel just before it writes it.
    """
    front = _Front(segment.nodes, height)
    writer = next(i for i, entry in enumerate(segment.nodes) if entry.node.output == new)
    readers = front.readers[old]
    if any(node == writer and not _in_place(segment.nodes[node].node, index) for node, index in readers):
        return False
    others = [(node, index) for node, index in readers if node != writer]
    for band in bands:
        for step in band.steps:
            if step.node == writer and front.first_needed(others, front.total[writer]) < step.r1:
                return False
            front.done[step.node] = step.r1
    return True


def _in_place(node: Node, index: int) -> bool:
    """True if the output may be written to the buffer of this input."""
    return operation_of(node).in_place(node, index)


class _Front:
    """How far every node of a segment has come."""

    def __init__(self, nodes: Sequence[TypedNode], height: int) -> None:
        self.nodes = nodes
        self.height = height
        self.total = [total_rows(entry, height) for entry in nodes]
        self.done = [0] * len(nodes)
        number = {entry.node.output: node for node, entry in enumerate(nodes)}
        #: For nodes that do not wait for their readers: those of their inputs that are made in this segment.
        self.eager = {
            node: [number[name] for name in entry.node.inputs if name in number]
            for node, entry in enumerate(nodes)
            if operation_of(entry.node).is_eager
        }
        self.readers: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for node, entry in enumerate(nodes):
            for index, name in streamed_inputs(entry):
                self.readers[name].append((node, index))

    def advance(self, end: int) -> tuple[Step, ...]:
        """Steps that take the segment's last nodes to LR row `end`."""
        steps: list[Step] = []
        for node, target in enumerate(self._targets(end)):
            if target > self.done[node]:
                readers = self.readers[self.nodes[node].node.output]
                keep = self.first_needed(readers, self.done[node])
                steps.append(Step(node, self.done[node], target, keep))
                self.done[node] = target
        return tuple(steps)

    def first_needed(self, readers: Sequence[tuple[int, int]], otherwise: int) -> int:
        """First row that one of the readers has still to read; `otherwise` if all have finished."""
        rows = [
            input_rows(self.nodes[node].node, self.done[node], self.done[node] + 1, index)[0]
            for node, index in readers
            if self.done[node] < self.total[node]
        ]
        return min(rows, default=otherwise)

    def lead(self, band_rows: int) -> int:
        """LR rows, in multiples of `band_rows`, that the first nodes are ahead of the last ones."""
        lead = 0
        while max(self._wanted(-lead)) > 0:
            lead += band_rows
        return lead

    def _targets(self, end: int) -> list[int]:
        """How far each node must come."""
        if end == self.height:
            return self.total
        targets = [max(rows) for rows in zip(self.done, self._wanted(end), strict=True)]
        for node, sources in self.eager.items():
            targets[node] = max(targets[node], min((targets[source] for source in sources), default=0))
        return targets

    def _wanted(self, end: int) -> list[int]:
        """Rows that are needed to take the last nodes to LR row `end`; may be negative, as `end` may."""
        wanted = [0] * len(self.nodes)
        for node in reversed(range(len(self.nodes))):
            readers = self.readers[self.nodes[node].node.output]
            ends = [input_rows(self.nodes[r].node, wanted[r] - 1, wanted[r], i)[1] for r, i in readers]
            if not readers:
                ends = [-(-end * self.total[node] // self.height)]
            wanted[node] = min(max(ends), self.total[node])
        return wanted
