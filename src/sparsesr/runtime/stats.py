"""Statistics of a run: time, density and multiply-adds (MACs) of every layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from sparsesr.modelfile.operations.registry import mask_names
from sparsesr.modelfile.spec import ModelFile
from sparsesr.runtime.graph.cost import dense_channels, mean_density, node_work
from sparsesr.runtime.graph.map_traffic import map_traffic
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
    """Bytes of maps read and written, as counted by :mod:`sparsesr.runtime.graph.map_traffic`."""


class Timing(NamedTuple):
    """Times of a run; see :class:`Stats`."""

    total_ms: float
    waits: int
    wait_ms: float
    one_thread_ms: float


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
    waits: int = 0
    """Number of times that the threads waited for each other."""
    wait_ms: float = 0.0
    """Time that threads spent waiting, added up over the threads."""
    one_thread_ms: float = 0.0
    """Time between the parts that several threads share."""

    @property
    def map_bytes(self) -> int:
        """Bytes of maps read and written by all layers."""
        return sum(layer.map_bytes for layer in self.layers)

    @property
    def macs_saved_fraction(self) -> float:
        """Fraction of the dense MACs that were skipped, 0..1."""
        return 1 - self.macs / self.macs_dense if self.macs_dense else 0.0


class RunCosts:
    """What a network costs on images of one size, for any masks."""

    def __init__(self, model: ModelFile, form: PreparedGraph, height: int, width: int) -> None:
        """Count.

        Args:
            model: the model.
            form: its masked graph, with the number types of the run.
            height: rows of the padded LR image.
            width: its columns.
        """
        self._masks = mask_names(model.graph)
        self._layers = [
            (node_work(entry, height, width), map_traffic(entry, height, width, form.types))
            for entry in form.typed
        ]
        self._dense_channels = dense_channels(form.typed)

    def macs_at(self, density: float) -> int:
        """Multiply-adds with this share of the pixels active in every mask."""
        every = {work.mask: density for work, _ in self._layers if work.mask is not None}
        return sum(work.cost(every).macs for work, _ in self._layers)

    def stats(self, densities: Mapping[str, float], ms: Mapping[str, float], timing: Timing) -> Stats:
        """Statistics of a run. Layers that did not run, such as those of unread masks, are left out.

        Args:
            densities: density of every mask, and of the sets that nodes grow from one; empty if all pixels were active.
            ms: milliseconds of every node that ran, by its output.
            timing: of the whole run.
        """
        grown = (work.mask for work, _ in self._layers if work.mask is not None)
        known = {**dict.fromkeys((*self._masks, *grown), 1.0), **densities}
        layers: list[LayerStats] = []
        for work, traffic in self._layers:
            if work.output in ms:
                cost = work.cost(known)
                density = None if work.mask is None else known[work.mask]
                layers.append(
                    LayerStats(
                        work.name,
                        work.op,
                        ms[work.output],
                        density,
                        cost.macs_dense,
                        cost.macs,
                        traffic.at(density),
                    )
                )
        macs_dense, macs = (sum(layer.macs_dense for layer in layers), sum(layer.macs for layer in layers))
        density = mean_density(self._dense_channels, known)
        of_masks = {mask: known[mask] for mask in self._masks}
        return Stats(timing.total_ms, tuple(layers), macs_dense, macs, of_masks, density, *timing[1:])
