"""What a run did: time, densities and multiply-adds of every layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sparsesr.modelfile.operations.registry import mask_names, mask_of
from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.modelfile.spec import ModelFile
from sparsesr.runtime.graph.cost import count_macs, paper_density


@dataclass(frozen=True)
class LayerStats:
    """One node of the graph."""

    name: str
    op: str
    ms: float
    """Wall-clock time, over all bands."""
    density: float | None
    """Fraction of pixels computed in full; None for nodes without a mask."""
    macs_dense: int
    """Multiply-adds if every pixel were active."""
    macs: int
    """Multiply-adds with the masks as they were."""


@dataclass(frozen=True)
class Stats:
    """One run, on the padded picture. Densities are fractions kept, 0..1."""

    total_ms: float
    layers: tuple[LayerStats, ...]
    """In execution order. Maps that are computed again to save memory are counted once."""
    macs_dense: int
    macs: int
    densities: dict[str, float]
    """Fraction of active pixels by mask (the output of its ``spatial_mask``)."""
    density: float = 1.0
    """As the paper counts: mean over the masked 3x3 layers of dense channels + sparse channels * mask."""

    @property
    def macs_saved_fraction(self) -> float:
        """Share of the dense multiply-adds that were skipped, 0..1."""
        return 1 - self.macs / self.macs_dense if self.macs_dense else 0.0


def make_stats(
    model: ModelFile,
    typed: Sequence[TypedNode],
    size: tuple[int, int],
    densities: Mapping[str, float],
    ms: Mapping[str, float],
    total_ms: float,
) -> Stats:
    """Put together the statistics of a run.

    Args:
        model: the model.
        typed: its graph with types, as it was run.
        size: height and width of the padded picture.
        densities: density of every mask; empty if all pixels were active. Layers that were not run, such
            as those of masks that nobody read, are left out.
        ms: time of every node that ran, by its output.
        total_ms: time of the whole run.
    """
    all_masks = dict.fromkeys(mask_names(model.graph), 1.0)
    known = {**all_masks, **densities}
    masks = {entry.node.output: mask_of(entry.node) for entry in typed}
    layers = tuple(
        LayerStats(
            cost.name,
            cost.op,
            ms[cost.output],
            None if (mask := masks[cost.output]) is None else known[mask],
            cost.macs_dense,
            cost.macs,
        )
        for cost in count_macs(model, *size, known, typed).nodes
        if cost.output in ms
    )
    macs_dense, macs = (sum(layer.macs_dense for layer in layers), sum(layer.macs for layer in layers))
    return Stats(total_ms, layers, macs_dense, macs, known, paper_density(model, known, typed))
