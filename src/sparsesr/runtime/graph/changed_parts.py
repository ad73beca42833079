"""How changes of the image spread through a network with one mask, and what is needed to compute them.

An inactive pixel of a masked operation keeps its residual, or zero, so changes spread from pixel to pixel only through
active ones: far less than the receptive field. Sets of pixels are those of the image; a map of half its size has a
pixel wherever one of its four is in the set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sparsesr.modelfile.operations.attributes import TO_RESULT
from sparsesr.modelfile.operations.registry import operation_of
from sparsesr.modelfile.operations.value_types import FULL, Kind, TypedNode
from sparsesr.runtime.graph.receptive_field import needed_rows, row_period
from sparsesr.runtime.pixel_sets import PixelSet, spread


@dataclass(frozen=True)
class Read:
    """A map that a node reads."""

    name: str
    reach_px: int
    """Distance at which it is read around a pixel."""
    is_masked: bool
    """Whether it is read for active pixels only."""


@dataclass(frozen=True)
class SpreadNode:
    """A node behind the mask."""

    output: str
    reads: tuple[Read, ...]
    is_masked: bool


@dataclass(frozen=True)
class ChangedParts:
    """A network that can be computed in parts."""

    image: str
    mask: str
    reach_before_px: Mapping[str, int]
    """Distance from a pixel of the mask at which it depends on each map before it, and on the image."""
    down: Mapping[str, int]
    """For the same maps, the factor by which they are smaller than the image."""
    behind: tuple[SpreadNode, ...]
    output: str

    @property
    def masked(self) -> tuple[str, ...]:
        """Maps of masked operations."""
        return tuple(node.output for node in self.behind if node.is_masked)

    def result(self, image: PixelSet, mask: PixelSet, moved: PixelSet, width: int) -> PixelSet:
        """Pixels of the result that may change with those of the image; ``moved``: where the mask has changed."""
        changed = {self.image: image}
        for node in self.behind:
            parts = [
                _limited(spread(changed[read.name], width, read.reach_px), mask, read.is_masked)
                for read in node.reads
            ]
            changed[node.output] = _union([*parts, moved] if node.is_masked else parts)
        return changed[self.output]

    def needed(self, result: PixelSet, mask: PixelSet, width: int) -> tuple[dict[str, PixelSet], PixelSet]:
        """Pixels of every map without a mask that these of the result depend on, and active ones of those with it."""
        needed = {self.output: result}
        active = np.zeros_like(result)
        for node in reversed(self.behind):
            own = needed.get(node.output)
            if own is None:
                continue
            if node.is_masked:
                active |= own & mask
            for read in node.reads:
                pixels = spread(_limited(own, mask, read.is_masked), width, read.reach_px)
                needed[read.name] = pixels | needed[read.name] if read.name in needed else pixels
        return {name: pixels for name, pixels in needed.items() if name not in self.masked}, active


def changed_parts(typed: Sequence[TypedNode], output: str) -> ChangedParts | None:
    """The parts of a network; None if it has another form.

    It must have one mask, which depends on the image alone, and behind it only local operations on maps of the image's
    size, of which the last one writes the result. Masked ones must compute nothing at inactive pixels.
    """
    masks = [entry.node.output for entry in typed if entry.output.kind is Kind.MASK]
    if len(masks) != 1:
        return None
    rows = [needed_rows([e.node for e in typed], masks[0], row, row + 1) for row in range(row_period(typed))]
    image = next(entry.node.output for entry in typed if operation_of(entry.node).is_source)
    before = [entry for entry in typed if entry.node.output in rows[0]]
    behind = [entry for entry in typed if entry.node.output not in rows[0]]
    known = {image, masks[0], *(entry.node.output for entry in behind)}
    if not all(_is_simple(entry, entry.node.output == output, known) for entry in behind):
        return None
    down = {entry.node.output: (entry.output.resolution or FULL).down for entry in before}
    reach = {
        name: max(
            max(row - each[name][0] * down[name], each[name][1] * down[name] - row - 1)
            for row, each in enumerate(rows)
        )
        for name in down
    }
    nodes = tuple(_spread_node(entry) for entry in behind)
    return ChangedParts(image, masks[0], reach, down, nodes, output)


def _is_simple(entry: TypedNode, is_last: bool, known: set[str]) -> bool:
    operation, size = operation_of(entry.node), entry.output.resolution
    if operation.sees_whole_image or size is None or not known.issuperset(entry.node.inputs):
        return False
    if operation.masking is not None and operation.masking.dense_out(entry.node) > 0:
        return False
    return TO_RESULT.of(entry.node) and size.down == 1 if is_last else size == FULL


def _spread_node(entry: TypedNode) -> SpreadNode:
    node, operation = entry.node, operation_of(entry.node)
    up = (entry.output.resolution or FULL).up
    features = operation.features(node)
    reads: list[Read] = []
    for index, (name, value) in enumerate(zip(node.inputs, entry.inputs, strict=True)):
        first, end = operation.rows(node, 0, up, index)
        if value.kind is not Kind.MASK:
            is_residual = operation.masking is not None and operation.in_place(node, index)
            is_masked = operation.masking is not None and name in features and not is_residual
            reads.append(Read(name, max(-first, end - 1), is_masked))
    return SpreadNode(node.output, tuple(reads), operation.masking is not None)


def _limited(pixels: PixelSet, mask: PixelSet, is_masked: bool) -> PixelSet:
    return pixels & mask if is_masked else pixels


def _union(sets: Sequence[PixelSet]) -> PixelSet:
    union = sets[0].copy()
    for each in sets[1:]:
        union |= each
    return union
