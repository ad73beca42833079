"""Multiply-adds (1 MAC = 2 FLOPs) of a model, dense and masked, and its density as counted in the SMSR paper.

Counts the products that the kernels compute: an inactive pixel still costs its dense channels, and a transposed
convolution costs its taps once per input pixel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sparsesr.modelfile.operations.registry import mask_of, operation_of
from sparsesr.modelfile.operations.segment_attention import segment_tokens
from sparsesr.modelfile.operations.value_types import Resolution, TypedNode
from sparsesr.modelfile.padding import padding_of
from sparsesr.modelfile.spec import ModelFile
from sparsesr.modelfile.validation import typed_nodes

Densities = Mapping[str, float]
"""Fraction of active pixels of each mask, by the name of its tensor (the output of ``spatial_mask``)."""


@dataclass(frozen=True)
class NodeCost:
    """Actual MACs of one node for one image."""

    name: str
    op: str
    output: str
    macs_dense: int
    """With all pixels active."""
    macs: int
    """With the given masks."""


@dataclass(frozen=True)
class Cost:
    """Actual MACs of a model for one image, by node in execution order."""

    nodes: tuple[NodeCost, ...]

    @property
    def macs_dense(self) -> int:
        """Total with all pixels active."""
        return sum(node.macs_dense for node in self.nodes)

    @property
    def macs(self) -> int:
        """Total with the given masks."""
        return sum(node.macs for node in self.nodes)

    @property
    def saved_fraction(self) -> float:
        """Fraction of the dense cost that the masks save, 0..1."""
        return 1 - self.macs / self.macs_dense if self.macs_dense else 0.0


@dataclass(frozen=True)
class NodeWork:
    """Multiply-adds of one node for one image size, for any density."""

    name: str
    op: str
    output: str
    mask: str | None
    pixels: int
    at_active: int
    """Per active pixel."""
    at_inactive: int
    besides: int
    """Of attention, at any density."""

    def cost(self, densities: Densities | None) -> NodeCost:
        """The cost with these masks; None: all pixels active."""
        every = densities is None or self.mask is None
        active = self.pixels if every else round(_density(self.mask or "", densities or {}) * self.pixels)
        macs = active * self.at_active + (self.pixels - active) * self.at_inactive + self.besides
        return NodeCost(self.name, self.op, self.output, self.pixels * self.at_active + self.besides, macs)


def node_work(typed: TypedNode, height: int, width: int) -> NodeWork:
    """The work of a node.

    Args:
        typed: the node.
        height: rows of the padded LR image.
        width: its columns.
    """
    node, macs = typed.node, operation_of(typed.node).macs(typed)
    pixels = _pixels(macs.counted_at, height, width)
    pairs = macs.per_pair * _pairs(pixels, macs.segments)
    return NodeWork(node.name, node.op, node.output, mask_of(node), pixels, macs.active, macs.inactive, pairs)


def count_macs(
    model: ModelFile,
    height: int,
    width: int,
    densities: Densities | None = None,
    typed: Sequence[TypedNode] | None = None,
) -> Cost:
    """Actual MACs of running a model on an LR image.

    Args:
        model: the model.
        height: rows of the LR image, before padding; the padded image is counted.
        width: its columns.
        densities: density of every mask; None: all pixels active.
        typed: the model's typed graph, if the caller has it already.

    Raises:
        ValueError: a mask's density is missing or outside 0..1.
    """
    nodes = typed_nodes(model.graph, model.tensors) if typed is None else typed
    rows, columns = padding_of(model.facts, nodes).size(height, width)
    return Cost(tuple(node_work(entry, rows, columns).cost(densities) for entry in nodes))


def _pairs(tokens: int, segments: int) -> int:
    """Number of pairs of tokens in the same segment."""
    length = segment_tokens(tokens, segments)
    whole, rest = divmod(tokens, length)
    return whole * length**2 + rest**2


def _pixels(resolution: Resolution | None, height: int, width: int) -> int:
    """Pixels at a resolution; 1 for operations that are computed once per image."""
    return 1 if resolution is None else resolution.of(height) * resolution.of(width)


def _density(mask: str, densities: Densities) -> float:
    density = densities.get(mask)
    if density is None or not 0 <= density <= 1:
        raise ValueError(f"mask {mask} needs a density in 0..1, got {density}")
    return density


def paper_density(model: ModelFile, densities: Densities, typed: Sequence[TypedNode] | None = None) -> float:
    """Density as in the SMSR paper: mean over masked 3x3 layers of (dense + sparse * mask density) / channels.

    Returns:
        Fraction kept, 0..1; 1 for a model without masks.

    Raises:
        ValueError: as :func:`count_macs`.
    """
    return mean_density(
        dense_channels(typed_nodes(model.graph, model.tensors) if typed is None else typed), densities
    )


def dense_channels(typed: Sequence[TypedNode]) -> list[tuple[str, float]]:
    """Mask of each masked 3x3 layer, and the fraction of its channels that are computed at every pixel."""
    found: list[tuple[str, float]] = []
    for entry in typed:
        masking, mask = operation_of(entry.node).masking, mask_of(entry.node)
        if masking is not None and mask is not None and masking.reach(entry.node) == 1:
            found.append((mask, masking.dense_out(entry.node) / entry.output.channels))
    return found


def mean_density(layers: Sequence[tuple[str, float]], densities: Densities) -> float:
    """:func:`paper_density` of layers from :func:`dense_channels`."""
    kept = [dense + (1 - dense) * _density(mask, densities) for mask, dense in layers]
    return sum(kept) / len(kept) if kept else 1.0
