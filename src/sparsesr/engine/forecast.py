"""Forecast of what an image gains and costs at each level, from a look at strips of its rows.

Levels are bicubic and efforts. The gaps of the first mask and the contrast of each pixel are looked up in the table of
the model (:mod:`sparsesr.modelfile.gain_table`). Gain and density come from the same pixels, so that their ratio, which
decides, suffers less from the choice of the strips.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.engine.contrast import contrast_bins
from sparsesr.engine.execute import Network
from sparsesr.engine.mask_gaps import MaskGaps
from sparsesr.engine.plan import Plan
from sparsesr.engine.target import inner_rows, probe_of
from sparsesr.errors import Parameter, UsageError
from sparsesr.modelfile.gain_table import GainTable
from sparsesr.modelfile.operations.registry import mask_names
from sparsesr.runtime.graph.cost import count_macs

Pixels = npt.NDArray[Any]
Curve = npt.NDArray[np.float64]
"""A number for each level."""

EFFORTS = tuple(step / 32 for step in range(33))
LEVELS: tuple[float | None, ...] = (None, *EFFORTS)
"""Bicubic, then efforts."""
STRIP_ROWS, SEAM_ROWS = 16, 4
"""Gaps see about four rows, so those next to seams are left out."""
LOOK_FRACTION = 0.2
"""Share of the rows that are looked at, for a small fraction of the cost of the network."""


@dataclass(frozen=True)
class Forecast:
    """What an image gains and costs at each of `LEVELS`."""

    computed_px: float
    """LR pixels that a network computes, overlaps included."""
    output_px: int
    """Pixels of the result."""
    gains: Curve
    """Squared error of luma, in levels of 255, that is removed against bicubic."""
    densities: Curve
    """Density, mean over all masks."""
    inactive_macs: float
    """Multiply-adds with no pixel active."""
    dense_macs: float
    """Multiply-adds with all pixels active."""


class Forecaster:
    """Forecasts for one network; any number of threads may share one."""

    def __init__(self, network: Network) -> None:
        """UsageError unless the model has masks and a table of gains."""
        self._network = network
        table = _table_of(network)
        self._table, self._factors = table, np.array(table.contrast_factors)
        known = [each.effort for each in table.efforts]
        self._gains = _at_efforts(known, [each.gains for each in table.efforts])
        self._densities = _at_efforts(known, [each.density for each in table.efforts])
        self._gaps = MaskGaps(network.model, network.session.threads, network.session.precision)

    def __call__(self, pixels: Pixels, plan: Plan, output_px: int) -> Forecast:
        """Look at (H, W, 3) pixels that will be upscaled as planned."""
        height, width = pixels.shape[:2]
        bins, factors = self._kinds(pixels)
        count = self._table.bins
        gained = self._gains @ np.bincount(bins, factors, count).astype(np.float64) / bins.size
        density = self._densities @ np.bincount(bins, None, count).astype(np.float64) / bins.size
        overlap = plan.computed_px / (height * width)
        none = dict.fromkeys(mask_names(self._network.model.graph), 0.0)
        inactive = count_macs(self._network.model, height, width, none)
        return Forecast(
            plan.computed_px,
            output_px,
            np.concatenate([[0.0], gained * height * width]),
            np.concatenate([[0.0], density]),
            inactive.macs * overlap,
            inactive.macs_dense * overlap,
        )

    def _kinds(self, pixels: Pixels) -> tuple[npt.NDArray[np.intp], Curve]:
        """The gap's bin, and the contrast's factor, of the pixels that are looked at."""
        look = probe_of(pixels, STRIP_ROWS, LOOK_FRACTION)
        is_whole = look.shape[0] == pixels.shape[0]
        rows = slice(None) if is_whole else inner_rows(look.shape[0], STRIP_ROWS, SEAM_ROWS)
        bins = gap_bins(self._gaps(look), self._table.first_gap, self._table.gap_step, self._table.bins)
        contrast = contrast_bins(look, len(self._factors))
        return bins[rows].ravel(), self._factors[contrast[rows].ravel()]


def gap_bins(
    gaps: npt.NDArray[np.float32], first_gap: float, gap_step: float, bins: int
) -> npt.NDArray[np.intp]:
    """The bin of each gap, in which its centre is nearest."""
    return np.clip(np.rint((gaps - first_gap) / gap_step), 0, bins - 1).astype(np.intp)


def _table_of(network: Network) -> GainTable:
    where, name = Parameter("budget"), network.model.facts.name
    if not mask_names(network.model.graph):
        raise UsageError(f"{name} computes every pixel; a budget needs a model with masks", where=where)
    table = network.model.facts.gain_table()
    if table is None:
        remedy = f"`sparsesr models calibrate {name}` adds it"
        raise UsageError(f"{name} has no record of what each effort gains", where=where, remedy=remedy)
    return table


def _at_efforts(known: list[float], curves: list[tuple[float, ...]]) -> npt.NDArray[np.float64]:
    """Curves (known efforts, bins) at all `EFFORTS`, (efforts, bins)."""
    columns = np.array(curves, np.float64).T
    return np.stack([np.interp(EFFORTS, known, column) for column in columns], axis=1)
