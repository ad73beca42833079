"""Which rows each node of a segment computes when: a wavefront that moves from top to bottom.

In every band the last nodes of the segment advance by `band_rows`; the others go as far ahead as their
readers need. No row is computed twice. Rows count as in :func:`sparsesr.modelfile.ops.input_rows`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sparsesr.modelfile.op_rules import has_addend
from sparsesr.modelfile.op_schema import Resolution, TypedNode
from sparsesr.modelfile.ops import input_rows
from sparsesr.runtime.segments import Segment, streamed_inputs


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
    return height // 2 if value.resolution is Resolution.HALF else height


def make_bands(segment: Segment, height: int, band_rows: int) -> tuple[Band, ...]:
    """Schedule a segment for a picture of `height` (padded) LR rows."""
    front = _Front(segment.nodes, height)
    ends = [*range(band_rows, height, band_rows), height]
    return tuple(Band(end, front.advance(end)) for end in ends)


def may_overwrite(segment: Segment, bands: Sequence[Band], height: int, old: str, new: str) -> bool:
    """True if the rows of `new` can be written over those of `old`, a whole map of an earlier segment.

    That needs every reader of `old` to be past a row before that row is written, or to be the writer itself
    that reads each pixel just before it writes it.
    """
    front = _Front(segment.nodes, height)
    writer = next(i for i, entry in enumerate(segment.nodes) if entry.node.output == new)
    readers = front.readers[old]
    if any(node == writer and not _in_place(segment.nodes[node], index) for node, index in readers):
        return False
    others = [(node, index) for node, index in readers if node != writer]
    for band in bands:
        for step in band.steps:
            if step.node == writer and front.first_needed(others, height) < step.r1:
                return False
            front.done[step.node] = step.r1
    return True


def _in_place(entry: TypedNode, index: int) -> bool:
    """True if the kernel allows its output to be the buffer of this input."""
    if entry.node.op == "scale_add":
        return index != 1
    return has_addend(entry.node) and index == len(entry.node.inputs) - 1


class _Front:
    """How far every node of a segment has come."""

    def __init__(self, nodes: Sequence[TypedNode], height: int) -> None:
        self.nodes = nodes
        self.height = height
        self.total = [total_rows(entry, height) for entry in nodes]
        self.done = [0] * len(nodes)
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

    def _targets(self, end: int) -> list[int]:
        """How far each node must come, from the last to the first."""
        if end == self.height:
            return self.total
        targets = [0] * len(self.nodes)
        for node in reversed(range(len(self.nodes))):
            readers = self.readers[self.nodes[node].node.output]
            wanted = [
                input_rows(self.nodes[reader].node, self.done[reader], targets[reader], index)[1]
                for reader, index in readers
                if targets[reader] > self.done[reader]
            ]
            if not readers:
                wanted = [-(-end * self.total[node] // self.height)]
            targets[node] = min(max([self.done[node], *wanted]), self.total[node])
        return targets
