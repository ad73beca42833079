"""Statistics of a run: time, density and multiply-adds (MACs) of every layer."""

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
    """Wall-clock time in milliseconds, over all bands."""
    density: float | None
    """Fraction of pixels computed in full, 0..1; None for nodes without a mask."""
    macs_dense: int
    """MACs with all pixels active."""
    macs: int
    """MACs with the masks of the run."""
    map_bytes: int
    """Bytes of maps read and written, as counted by :func:`sparsesr.runtime.graph.map_traffic.map_bytes`."""


@dataclass(frozen=True)
class Stats:
    """One run, counted on the padded image. Densities are fractions kept, 0..1."""

    total_ms: float
    layers: tuple[LayerStats, ...]
    """In execution order. Maps that are recomputed to save memory count once."""
    macs_dense: int
    macs: int
    densities: dict[str, float]
    """Fraction of active pixels by mask (the output of its ``spatial_mask``)."""
    density: float = 1.0
    """As counted in the SMSR paper: mean over masked 3x3 layers of (dense + sparse * mask density) / channels."""

    @property
    def map_bytes(self) -> int:
        """Bytes of maps read and written by all layers."""
        return sum(layer.map_bytes for layer in self.layers)

    @property
    def macs_saved_fraction(self) -> float:
        """Fraction of the dense MACs that were skipped, 0..1."""
        return 1 - self.macs / self.macs_dense if self.macs_dense else 0.0


def make_stats(
    model: ModelFile,
    form: PreparedGraph,
    size: tuple[int, int],
    densities: Mapping[str, float],
    ms: Mapping[str, float],
    total_ms: float,
) -> Stats:
    """Assemble the statistics of a run. Layers that did not run, such as those of unread masks, are left out.

    Args:
        model: the model.
        form: its masked graph, with the number types of the run.
        size: height and width of the padded image.
        densities: density of every mask; empty if all pixels were active.
        ms: milliseconds of every node that ran, by its output.
        total_ms: milliseconds of the whole run.
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
            moved = map_bytes(entry, *size, form.types, density)
            layers.append(
                LayerStats(cost.name, cost.op, ms[cost.output], density, cost.macs_dense, cost.macs, moved)
            )
    macs_dense, macs = (sum(layer.macs_dense for layer in layers), sum(layer.macs for layer in layers))
    return Stats(total_ms, tuple(layers), macs_dense, macs, known, paper_density(model, known, form.typed))
