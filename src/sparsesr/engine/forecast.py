"""Forecast of what an image gains and costs at each level, from a look at strips of its rows.

Levels are bicubic and efforts. The gaps of the first mask give the densities. Each pixel that an effort makes active
gains the price of the effort (:mod:`sparsesr.engine.effort_prices`), times a factor of the image: how much more or less
its pixels gain, for their contrast, than others with the same gaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.engine.contrast import contrast_bins
from sparsesr.engine.effort_prices import effort_prices
from sparsesr.engine.execute import Network
from sparsesr.engine.mask_gaps import MaskGaps
from sparsesr.engine.plan import Plan
from sparsesr.engine.target import inner_rows, probe_of
from sparsesr.errors import Parameter, UsageError
from sparsesr.modelfile.gain_table import GainTable

Pixels = npt.NDArray[Any]
Curve = npt.NDArray[np.float64]
"""A number for each level."""

EFFORTS = tuple(step / 32 for step in range(33))
LEVELS: tuple[float | None, ...] = (None, *EFFORTS)
"""Bicubic, then efforts."""
STRIP_ROWS, SEAM_ROWS = 16, 4
"""Gaps see about four rows, so those next to seams are left out."""
_COUNTED_PX = 64
LOOK_PX, MOST_LOOKED = 30_000, 0.2
"""Pixels that are looked at, and the largest share of an image's rows; large images cost hardly more to look at."""


@dataclass(frozen=True)
class Forecast:
    """What an image gains and costs at each of `LEVELS`."""

    output_px: int
    """Pixels of the result."""
    gains: Curve
    """Squared error of luma, in levels of 255, that is removed against bicubic."""
    densities: Curve
    """Density, mean over all masks."""
    inactive_macs: float
    """Multiply-adds of the network with no pixel active, overlaps included."""
    dense_macs: float
    """Multiply-adds with all pixels active."""


class Forecaster:
    """Forecasts for one network; any number of threads may share one."""

    def __init__(self, network: Network) -> None:
        """UsageError unless the model has masks and a table of gains."""
        self._table = table = _table_of(network)
        self._factors = np.array(table.contrast_factors)
        by_gap = zip(*(each.densities for each in table.efforts), strict=True)
        self._densities = np.stack([_at_efforts(table, densities) for densities in by_gap], axis=1)
        self._prices = effort_prices(
            _at_efforts(table, [each.mean_density for each in table.efforts]),
            _at_efforts(table, [each.gain for each in table.efforts]),
        )
        self._gaps = MaskGaps(network.model, network.session.threads, network.session.precision)
        counted = network.session.macs_between(_COUNTED_PX, _COUNTED_PX)
        self._inactive_macs, self._dense_macs = (macs / _COUNTED_PX**2 for macs in counted)

    def __call__(self, pixels: Pixels, plan: Plan, output_px: int) -> Forecast:
        """Look at (H, W, 3) pixels that will be upscaled as planned."""
        gains, densities = self._curves(*self._kinds(pixels))
        return Forecast(
            output_px,
            np.concatenate([[0.0], gains * pixels.shape[0] * pixels.shape[1]]),
            np.concatenate([[0.0], densities]),
            self._inactive_macs * plan.computed_px,
            self._dense_macs * plan.computed_px,
        )

    def _curves(self, bins: npt.NDArray[np.intp], factors: Curve) -> tuple[Curve, Curve]:
        """Mean gain of a pixel and density at each of `EFFORTS`, from the kinds of pixels."""
        table = self._table
        shares = np.bincount(bins, minlength=table.bins).astype(np.float64) / bins.size
        weighted = np.bincount(bins, factors, table.bins).astype(np.float64) / bins.size
        usual = float(np.dot(table.learned_gains, shares))
        factor = max(float(np.dot(table.learned_gains, weighted)) / usual, 0.0) if usual > 0 else 1.0
        densities = self._densities @ shares
        added = np.concatenate([[0.0], np.cumsum(self._prices * np.diff(densities))])
        return float(np.dot(table.least_gains, weighted)) + factor * added, densities

    def _kinds(self, pixels: Pixels) -> tuple[npt.NDArray[np.intp], Curve]:
        """The gap's bin, and the contrast's factor, of the pixels that are looked at."""
        share = min(MOST_LOOKED, LOOK_PX / (pixels.shape[0] * pixels.shape[1]))
        look = probe_of(pixels, STRIP_ROWS, share)
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
    if not network.has_masks:
        raise UsageError(f"{name} computes every pixel; a budget needs a model with masks", where=where)
    table = network.model.facts.gain_table()
    if table is None:
        remedy = f"`sparsesr models calibrate {name}` adds it"
        raise UsageError(f"{name} has no record of what each effort gains", where=where, remedy=remedy)
    return table


def _at_efforts(table: GainTable, values: Sequence[float]) -> Curve:
    """Values at the table's efforts -> at `EFFORTS`."""
    return np.interp(EFFORTS, [each.effort for each in table.efforts], values)
