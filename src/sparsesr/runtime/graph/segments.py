"""Cuts a graph into segments: runs of nodes that can be computed together, band of rows by band of rows.

A node that depends on the whole picture separates segments: what is scaled by the mean of a map can only begin
when the map's last row is there, and so can an attention. Within a segment every node is local, apart from
an attention that reads maps of earlier ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sparsesr.modelfile.operations.registry import operation_of
from sparsesr.modelfile.operations.value_types import Kind, TypedNode

_CHEAP_FRACTION = 0.15
"""A map may be computed again if that costs at most this share of the network's multiply-adds."""


@dataclass(frozen=True)
class Segment:
    """Nodes computed together."""

    nodes: tuple[TypedNode, ...]
    """Local nodes and means, in execution order; some may be copies of nodes of earlier segments."""
    vector_nodes: tuple[TypedNode, ...]
    """What turns vectors into vectors, to be done before the first row."""


@dataclass(frozen=True)
class Segmentation:
    """All segments in order, and the tensors that outlive the segment that produces them."""

    segments: tuple[Segment, ...]
    last_use: Mapping[str, int]
    """Last segment that reads a map or mask of an earlier segment; tensors without that are not listed."""
    home: Mapping[str, int]
    """Segment that produces a tensor first."""


def split(typed: Sequence[TypedNode], recompute: bool) -> Segmentation:
    """Assign nodes to segments.

    The picture is converted anew in each segment that reads it. What needs nothing but the picture is done
    as late as possible.

    Args:
        typed: the network.
        recompute: also compute cheap maps again, such as those for a long skip connection, instead of
            keeping them. Maps are kept up to the segment after their own in any case.
    """
    producers = {entry.node.output: entry for entry in typed}
    home = _homes(typed)
    again = _cheap_tensors(typed, home) if recompute else frozenset[str]()
    members: list[set[str]] = [set() for _ in range(1 + max(home.values()))]
    last_use: dict[str, int] = {}
    for entry in typed:
        if not (operation_of(entry.node).is_source or is_vector_node(entry)):
            _add(entry, home[entry.node.output], members, producers, home, again, last_use)
    segments = tuple(
        Segment(
            tuple(entry for entry in typed if entry.node.output in names),
            tuple(entry for entry in typed if is_vector_node(entry) and home[entry.node.output] == index),
        )
        for index, names in enumerate(members)
    )
    return Segmentation(segments, last_use, home)


def streamed_inputs(entry: TypedNode) -> list[tuple[int, str]]:
    """Inputs that are read row by row, with their index: maps and masks, not vectors."""
    return [
        (index, name)
        for index, (name, value) in enumerate(zip(entry.node.inputs, entry.inputs, strict=True))
        if value.kind is not Kind.VECTOR
    ]


def is_vector_node(entry: TypedNode) -> bool:
    """True for a node that turns vectors into a vector."""
    return bool(entry.inputs) and all(value.kind is Kind.VECTOR for value in entry.inputs)


def _homes(typed: Sequence[TypedNode]) -> dict[str, int]:
    """Segment of the node that produces each tensor: as early as possible, and late if it reads the picture.

    A mean belongs to the segment of its map, but is available one segment later. An attention needs whole maps,
    so it begins a segment.
    """
    home: dict[str, int] = {}
    barriers = {
        e.node.output for e in typed if operation_of(e.node).sees_whole_image and e.output.kind is Kind.MAP
    }
    means = {e.node.output for e in typed if e.output.kind is Kind.VECTOR and not is_vector_node(e)}
    for entry in typed:
        is_barrier = entry.node.output in barriers
        home[entry.node.output] = max(
            (home[n] + (n in means or is_barrier) for n in entry.node.inputs), default=0
        )
    pictures = {entry.node.output for entry in typed if operation_of(entry.node).is_source}
    for entry in reversed(typed):
        if (
            entry.node.inputs
            and set(entry.node.inputs) <= pictures
            and not operation_of(entry.node).sees_whole_image
        ):
            readers = [home[other.node.output] for other in typed if entry.node.output in other.node.inputs]
            home[entry.node.output] = min(readers, default=home[entry.node.output])
    return home


def _add(
    entry: TypedNode,
    segment: int,
    members: list[set[str]],
    producers: Mapping[str, TypedNode],
    home: Mapping[str, int],
    again: frozenset[str],
    last_use: dict[str, int],
) -> None:
    """Put a node into a segment, with copies of what it reads and is not kept."""
    members[segment].add(entry.node.output)
    is_copy = segment > home[entry.node.output]
    for _, name in streamed_inputs(entry):
        producer = producers[name]
        late = segment > home[name] + 1 and name in again
        if operation_of(producer.node).is_source or late or (is_copy and segment > home[name]):
            _add(producer, segment, members, producers, home, again, last_use)
        elif segment > home[name]:
            last_use[name] = max(segment, last_use.get(name, 0))


def _cheap_tensors(typed: Sequence[TypedNode], home: Mapping[str, int]) -> frozenset[str]:
    """Maps of the first segment that depend on nothing but the picture and cost little."""
    total = sum(_macs_per_pixel(entry) for entry in typed)
    macs: dict[str, float] = {}
    for entry in typed:
        if home[entry.node.output] == 0 and entry.output.kind is Kind.MAP:
            known = all(name in macs for name in entry.node.inputs)
            if known:
                own = _macs_per_pixel(entry)
                macs[entry.node.output] = own + sum(macs[name] for name in entry.node.inputs)
    return frozenset(name for name, cost in macs.items() if cost <= _CHEAP_FRACTION * total)


def _macs_per_pixel(entry: TypedNode) -> float:
    """Multiply-adds per pixel of the LR picture."""
    macs = operation_of(entry.node).macs(entry)
    return 0.0 if macs.counted_at is None else macs.active * (macs.counted_at.up / macs.counted_at.down) ** 2
