"""Graph pass that splits a graph into segments: groups of nodes that are computed together, band by band.

Nodes that depend on the whole image separate segments: scaling by the mean of a map, or attention over it, can start
only after the map's last row. Within a segment every node is local, except attention that reads maps of earlier
segments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sparsesr.modelfile.operations.registry import operation_of
from sparsesr.modelfile.operations.value_types import Kind, TypedNode

_CHEAP_FRACTION = 0.15
"""A map may be recomputed if that costs at most this fraction of the network's MACs."""


@dataclass(frozen=True)
class Segment:
    """Nodes that are computed together."""

    nodes: tuple[TypedNode, ...]
    """Local nodes and means, in execution order; nodes of earlier segments may be repeated."""
    vector_nodes: tuple[TypedNode, ...]
    """Nodes from vectors to vectors, computed before the first row."""


@dataclass(frozen=True)
class Segmentation:
    """All segments in order, and the lifetime of tensors that outlive their segment."""

    segments: tuple[Segment, ...]
    last_use: Mapping[str, int]
    """Last segment that reads a map or mask of an earlier segment; other tensors are not listed."""
    home: Mapping[str, int]
    """First segment that produces each tensor."""


def split(typed: Sequence[TypedNode], recompute: bool, masks_first: bool = False) -> Segmentation:
    """Assign nodes to segments.

    Each segment that reads the image converts it again. Nodes that need only the image run as late as possible.

    Args:
        typed: the network.
        recompute: recompute cheap maps, such as those for a long skip connection, instead of keeping them.
            Maps are kept until the segment after their own in any case.
        masks_first: complete a mask before any reader of it starts.
    """
    producers = {entry.node.output: entry for entry in typed}
    home = _homes(typed, masks_first)
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
    """Inputs that are read by row, with their index: maps and masks, not vectors."""
    return [
        (index, name)
        for index, (name, value) in enumerate(zip(entry.node.inputs, entry.inputs, strict=True))
        if value.kind is not Kind.VECTOR
    ]


def is_vector_node(entry: TypedNode) -> bool:
    """True for a node that turns vectors into a vector."""
    return bool(entry.inputs) and all(value.kind is Kind.VECTOR for value in entry.inputs)


def _homes(typed: Sequence[TypedNode], masks_first: bool) -> dict[str, int]:
    """Segment of the node that produces each tensor: as early as possible, but as late if it reads only the image.

    A mean belongs to the segment of its map, but is available one segment later, and so may be a mask. Attention needs
    whole maps, so it starts a segment.
    """
    home: dict[str, int] = {}
    barriers = {
        e.node.output for e in typed if operation_of(e.node).sees_whole_image and e.output.kind is Kind.MAP
    }
    late = {e.node.output for e in typed if e.output.kind is Kind.VECTOR and not is_vector_node(e)}
    if masks_first:
        late |= {e.node.output for e in typed if e.output.kind is Kind.MASK}
    for entry in typed:
        is_barrier = entry.node.output in barriers
        home[entry.node.output] = max(
            (home[n] + (n in late or is_barrier) for n in entry.node.inputs), default=0
        )
    images = {entry.node.output for entry in typed if operation_of(entry.node).is_source}
    for entry in typed:
        node = entry.node
        if node.inputs and set(node.inputs) <= images and not operation_of(node).sees_whole_image:
            copies = {e.node.output for e in typed if node.output in e.node.inputs and _is_by_product(e)}
            written = {node.output, *copies}
            readers = [
                home[e.node.output] for e in typed if written & {*e.node.inputs} and not _is_by_product(e)
            ]
            home.update(dict.fromkeys(written, min(readers, default=home[node.output])))
    return home


def _is_by_product(entry: TypedNode) -> bool:
    return operation_of(entry.node).is_by_product


def _add(
    entry: TypedNode,
    segment: int,
    members: list[set[str]],
    producers: Mapping[str, TypedNode],
    home: Mapping[str, int],
    again: frozenset[str],
    last_use: dict[str, int],
) -> None:
    """Add a node to a segment, with copies of those of its inputs that are not kept."""
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
    """Maps of the first segment that depend only on the image and are cheap to compute."""
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
    """MACs per pixel of the LR image."""
    macs = operation_of(entry.node).macs(entry)
    return 0.0 if macs.counted_at is None else macs.active * (macs.counted_at.up / macs.counted_at.down) ** 2
