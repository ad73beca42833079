"""Schedule of a segment: which rows each node computes when, as a wavefront from top to bottom.

In every band the last nodes of the segment advance by `band_rows`; the others advance as far as their readers need,
and sums and by-products as far as their inputs allow. No row is computed twice. Every map is counted in its own rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sparsesr.modelfile.operations.registry import input_rows, operation_of
from sparsesr.modelfile.operations.value_types import FULL, TypedNode
from sparsesr.modelfile.spec import Node
from sparsesr.runtime.graph.segments import Segment, streamed_inputs


class Step(NamedTuple):
    """One node computes rows [r0, r1)."""

    node: int
    """Index in the segment."""
    r0: int
    r1: int
    is_last: bool
    """Whether it completes the node's output."""
    keep: int = 0
    """First row that is still to be read when this step starts, of the node's output or of a map that shares its
    window; :func:`sharing_windows` finds it."""


@dataclass(frozen=True)
class Band:
    """Steps in the order of execution."""

    end: int
    """LR rows that the segment has finished after the band."""
    steps: tuple[Step, ...]


def total_rows(entry: TypedNode, height: int) -> int:
    """Rows of a node's output; for a mean, those of the map it reads."""
    value = entry.output if entry.output.resolution is not None else entry.inputs[0]
    return (value.resolution or FULL).of(height)


def make_bands(segment: Segment, height: int, band_rows: int) -> tuple[Band, ...]:
    """Schedule a segment for an image of `height` padded LR rows."""
    front = _Front(segment.nodes, height)
    # The first nodes take their lead in steps of band_rows: in one step, their windows would be as high as the lead.
    start = [step for end in range(-front.lead(band_rows), 1, band_rows) for step in front.advance(end)]
    ends = [*range(band_rows, height, band_rows), height]
    first, *others = (Band(end, front.advance(end)) for end in ends)
    return Band(first.end, (*start, *first.steps)), *others


def may_overwrite(segment: Segment, bands: Sequence[Band], height: int, old: str, new: str) -> bool:
    """True if `new` can be written over `old`, a map of this segment or a whole map of an earlier one.

    Every reader of `old` must be past a row before that row is written, or be the writer itself and read each pixel
    just before writing it.
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


def sharing_windows(
    segment: Segment, bands: Sequence[Band], height: int, groups: Sequence[Sequence[int]]
) -> tuple[Band, ...]:
    """The same bands with one window per group of nodes: rows that one map of a group needs, all of them keep."""
    kept = _KeptRows(_Front(segment.nodes, height))
    group_of = {node: group for group in groups for node in group}

    def shared(step: Step) -> Step:
        keep = min(map(kept.first.__getitem__, group_of.get(step.node, (step.node,))))
        kept.advance(step.node, step.r1)
        return step._replace(keep=keep)

    return tuple(Band(band.end, tuple(map(shared, band.steps))) for band in bands)


def _in_place(node: Node, index: int) -> bool:
    """True if the output may be written to the buffer of this input."""
    return operation_of(node).in_place(node, index)


class _Front:
    """The wavefront: rows that every node of a segment has computed."""

    def __init__(self, nodes: Sequence[TypedNode], height: int) -> None:
        self.nodes = nodes
        self.height = height
        self.total = [total_rows(entry, height) for entry in nodes]
        self.done = [0] * len(nodes)
        number = {entry.node.output: node for node, entry in enumerate(nodes)}
        #: Nodes that do not wait for their readers, each with its inputs that this segment computes.
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
        """Steps that advance the segment's last nodes to LR row `end`."""
        steps: list[Step] = []
        for node, target in enumerate(self._targets(end)):
            if target > self.done[node]:
                # A by-product follows its writer in the segment, but its room must be made before.
                place = len(steps) - operation_of(self.nodes[node].node).is_by_product
                steps.insert(place, self._step(node, target))
                self.done[node] = target
        return tuple(steps)

    def _step(self, node: int, target: int) -> Step:
        return Step(node, self.done[node], target, target == self.total[node])

    def first_needed(self, readers: Sequence[tuple[int, int]], otherwise: int) -> int:
        """First row that one of the readers still has to read; `otherwise` if all have finished."""
        rows = [self.next_row(node, index) for node, index in readers if self.done[node] < self.total[node]]
        return min(rows, default=otherwise)

    def next_row(self, node: int, index: int) -> int:
        """First row of an input that a node, which has not finished, still has to read."""
        return input_rows(self.nodes[node].node, self.done[node], self.done[node] + 1, index)[0]

    def lead(self, band_rows: int) -> int:
        """LR rows by which the first nodes are ahead of the last ones, as a multiple of `band_rows`."""
        lead = 0
        while max(self._wanted(-lead)) > 0:
            lead += band_rows
        return lead

    def _targets(self, end: int) -> list[int]:
        """Row that each node must reach when the last nodes reach LR row `end`."""
        if end == self.height:
            return self.total
        targets = [max(rows) for rows in zip(self.done, self._wanted(end), strict=True)]
        for node, sources in self.eager.items():
            targets[node] = max(targets[node], min((targets[source] for source in sources), default=0))
        return targets

    def _wanted(self, end: int) -> list[int]:
        """Rows of each node that the last nodes need to reach LR row `end`; negative if `end` is far enough below 0."""
        wanted = [0] * len(self.nodes)
        for node in reversed(range(len(self.nodes))):
            readers = self.readers[self.nodes[node].node.output]
            ends = [input_rows(self.nodes[r].node, wanted[r] - 1, wanted[r], i)[1] for r, i in readers]
            if not readers:
                ends = [-(-end * self.total[node] // self.height)]
            wanted[node] = min(max(ends), self.total[node])
        return wanted


class _KeptRows:
    """The first row of every map that is still to be read, other than for by-products, as a wavefront advances."""

    def __init__(self, front: _Front) -> None:
        self._front = front
        nodes = range(len(front.nodes))
        number = {entry.node.output: node for node, entry in enumerate(front.nodes)}
        #: For each node, the inputs that are kept for it, each with the node that computes it.
        self._inputs: list[list[tuple[int, int]]] = [[] for _ in nodes]
        for name, readers in front.readers.items():
            for node, index in readers:
                if name in number and not operation_of(front.nodes[node].node).is_by_product:
                    self._inputs[node].append((index, number[name]))
        #: For each node, the row that each reader, by node and input, needs next.
        self._next: list[dict[tuple[int, int], int]] = [{} for _ in nodes]
        #: By node; the rows that it has computed if no reader needs more.
        self.first = [0 for _ in nodes]
        for node in nodes:
            self.advance(node, 0)

    def advance(self, node: int, row: int) -> None:
        """Note that a node has computed its rows before `row`; that changes nothing but its own map and its inputs."""
        self._front.done[node] = row
        for index, source in self._inputs[node]:
            if row < self._front.total[node]:
                self._next[source][node, index] = self._front.next_row(node, index)
            else:
                self._next[source].pop((node, index), None)
            self._find_first(source)
        self._find_first(node)

    def _find_first(self, node: int) -> None:
        self.first[node] = min(self._next[node].values(), default=self._front.done[node])
