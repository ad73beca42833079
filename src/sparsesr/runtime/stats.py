"""What a run did: time, densities and multiply-adds of every layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sparsesr.modelfile.operations.registry import mask_names, mask_of
from sparsesr.modelfile.spec import ModelFile
from sparsesr.runtime.graph.cost import count_macs, paper_density
from sparsesr.runtime.graph.map_traffic import map_bytes
from sparsesr.runtime.graph.prepared import PreparedGraph


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
    map_bytes: int
    """Bytes of maps read and written, as :func:`sparsesr.runtime.graph.map_traffic.map_bytes` counts them."""


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
    def map_bytes(self) -> int:
        """Bytes of maps read and written by all layers: passes over memory."""
        return sum(layer.map_bytes for layer in self.layers)

    @property
    def macs_saved_fraction(self) -> float:
        """Share of the dense multiply-adds that were skipped, 0..1."""
        return 1 - self.macs / self.macs_dense if self.macs_dense else 0.0


def make_stats(
    model: ModelFile,
    form: PreparedGraph,
    size: tuple[int, int],
    densities: Mapping[str, float],
    ms: Mapping[str, float],
    total_ms: float,
) -> Stats:
    """Put together the statistics of a run.

    Args:
        model: the model.
        form: its graph as it was run.
        size: height and width of the padded picture.
        densities: density of every mask; empty if all pixels were active. Layers that were not run, such
            as those of masks that nobody read, are left out.
        ms: time of every node that ran, by its output.
        total_ms: time of the whole run.
    """
    all_masks = dict.fromkeys(mask_names(model.graph), 1.0)
    known = {**all_masks, **densities}
    entries = {entry.node.output: entry for entry in form.typed}
    layers: list[LayerStats] = []
    for cost in count_macs(model, *size, known, form.typed).nodes:
        if cost.output in ms:
            entry = entries[cost.output]
            mask = mask_of(entry.node)
            density = None if mask is None else known[mask]
            moved = map_bytes(entry, *size, form.bf16, density)
            layers.append(
                LayerStats(cost.name, cost.op, ms[cost.output], density, cost.macs_dense, cost.macs, moved)
            )
    macs_dense, macs = (sum(layer.macs_dense for layer in layers), sum(layer.macs for layer in layers))
    return Stats(total_ms, tuple(layers), macs_dense, macs, known, paper_density(model, known, form.typed))
