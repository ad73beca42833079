"""Calibration of budgets: what each effort gains on photographs, and what pixels of each gap and contrast gain.

Photographs are downscaled by MATLAB's bicubic and upscaled with every effort; the squared error of luma is compared
with that of bicubic, pixel by pixel. A pixel's expected gain is a number for its gap times a factor for its contrast,
fitted in turns (iterative proportional fitting; Deming and Stephan, 1940).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.engine.contrast import contrast_bins
from sparsesr.engine.forecast import gap_bins
from sparsesr.engine.mask_gaps import MaskGaps
from sparsesr.errors import UsageError
from sparsesr.image.metrics import rgb_to_y
from sparsesr.image.resize import imresize
from sparsesr.measure.precision_cost import PHOTOGRAPHS, only_set
from sparsesr.measure.protocol import Pair, load_pairs
from sparsesr.modelfile.gain_table import EffortGains, GainTable
from sparsesr.modelfile.operations.registry import mask_names
from sparsesr.modelfile.spec import ModelFile
from sparsesr.runtime.session import Session

EFFORTS = tuple(step / 16 for step in range(17))
_LEARNED = EFFORTS.index(0.5)
FIRST_GAP, GAP_STEP, GAP_BINS, CONTRAST_BINS = -10.0, 0.5, 41, 9
_LEAST_PIXELS = 30
"""Bins with fewer take the numbers of their neighbours."""
_TURNS = 20

Plane = npt.NDArray[np.float64]
Sums = npt.NDArray[np.float64]


def with_gain_tables(model: ModelFile, data: Path = PHOTOGRAPHS, threads: int | None = None) -> ModelFile:
    """Return the model with a new table of gains for each of its scales; the weights stay as they are.

    Args:
        model: the model.
        data: folder of HR images, one set, laid out as :func:`find_sets` expects.
        threads: threads of the runtime; None: all processors.

    Raises:
        UsageError: the model has no masks, so its effort cannot be chosen.
        InputError: there are several sets or none, or an image cannot be read or is too small.
    """
    if not mask_names(model.graph):
        raise UsageError(f"{model.facts.name} computes every pixel; only models with masks have efforts")
    tables = tuple(measure_gains(model.at_scale(scale), data, threads) for scale in model.scales)
    return replace(model, facts=replace(model.facts, gain_tables=tables))


def measure_gains(model: ModelFile, data: Path = PHOTOGRAPHS, threads: int | None = None) -> GainTable:
    """Measure the table for the model's own scale; arguments as above."""
    facts, images = model.facts, only_set(data, model.facts.scale)
    session, gaps, sums = Session(model, threads), MaskGaps(model, threads), _Sums()
    for _, pair in load_pairs(images, facts.scale, facts.size_multiple):
        _add(sums, pair, session, gaps)
    names = ", ".join(image.name for image in images.images)
    return sums.table(
        facts.scale, names if data == PHOTOGRAPHS else f"{images.name} ({len(images.images)} images)"
    )


@dataclass
class _Sums:
    """Sums over pixels by the bin of their gap and, in the last axis, that of their contrast."""

    pixels: Sums = field(default_factory=lambda: np.zeros((GAP_BINS, CONTRAST_BINS)))
    gains: Sums = field(default_factory=lambda: np.zeros((len(EFFORTS), GAP_BINS, CONTRAST_BINS)))
    active: Sums = field(default_factory=lambda: np.zeros((len(EFFORTS), GAP_BINS)))

    def table(self, scale: int, measured_on: str) -> GainTable:
        """The table that these sums give."""
        factors = _fitted_factors(self.gains[_LEARNED], self.pixels)
        count = self.pixels.sum(axis=1)
        efforts = tuple(
            EffortGains(
                effort,
                _rounded(float(gains.sum() / count.sum())),
                _rounded(float(active.sum() / count.sum())),
                _stored(np.clip(_filled(active, count, count), 0, 1)),
            )
            for effort, gains, active in zip(EFFORTS, self.gains, self.active, strict=True)
        )
        least, learned = (
            _stored(_filled(self.gains[index].sum(axis=1), self.pixels @ factors, count))
            for index in (0, _LEARNED)
        )
        return GainTable(scale, FIRST_GAP, GAP_STEP, least, learned, _stored(factors), efforts, measured_on)


def _add(sums: _Sums, pair: Pair, session: Session, gaps: MaskGaps) -> None:
    """Add the pixels of one photograph."""
    scale = session.model.facts.scale
    bins = gap_bins(gaps(pair.lr), FIRST_GAP, GAP_STEP, GAP_BINS).ravel()
    kinds = bins * CONTRAST_BINS + contrast_bins(pair.lr, CONTRAST_BINS).ravel()
    sums.pixels += _by_kind(kinds, np.ones(kinds.size))
    bicubic = _errors(imresize(pair.lr, scale), pair, scale)
    for index, effort in enumerate(EFFORTS):
        result = session.run(pair.lr, out_dtype=np.uint8, effort=effort, keep_masks=True)
        sums.gains[index] += _by_kind(kinds, (bicubic - _errors(result.image, pair, scale)).ravel())
        density = np.mean(result.masks or [], axis=0)
        sums.active[index] += np.bincount(bins, density.ravel(), GAP_BINS)


def _by_kind(kinds: npt.NDArray[np.intp], values: Plane) -> Sums:
    sums = np.bincount(kinds, values, GAP_BINS * CONTRAST_BINS).astype(np.float64)
    return sums.reshape(GAP_BINS, CONTRAST_BINS)


def _errors(upscaled: npt.NDArray[Any], pair: Pair, scale: int) -> Plane:
    """Squared error of luma, summed over the results of each LR pixel."""
    squares = np.square(rgb_to_y(upscaled) - rgb_to_y(pair.hr))
    rows, columns = squares.shape
    return squares.reshape(rows // scale, scale, columns // scale, scale).sum(axis=(1, 3))


def _fitted_factors(gains: Sums, pixels: Sums) -> npt.NDArray[np.float64]:
    """Factors by contrast with which a number per gap explains the gains best, in both sums over the bins."""
    factors = np.ones(CONTRAST_BINS)
    for _ in range(_TURNS):
        expected = pixels @ factors
        by_gap = np.divide(gains.sum(axis=1), expected, out=np.zeros(GAP_BINS), where=expected > 0)
        explained = (by_gap @ pixels) * factors
        is_known = (explained > 0) & (pixels.sum(axis=0) >= _LEAST_PIXELS)
        ratio = np.divide(gains.sum(axis=0), explained, out=np.ones(CONTRAST_BINS), where=is_known)
        factors = factors * np.maximum(ratio, 0)
    return factors


def _filled(totals: Sums, weights: Sums, count: Sums) -> npt.NDArray[np.float64]:
    """Totals divided by weights; bins with few pixels are interpolated."""
    known = np.flatnonzero((count >= _LEAST_PIXELS) & (weights > 0))
    if known.size == 0:
        return np.zeros(len(totals))
    return np.interp(np.arange(len(totals)), known, totals[known] / weights[known])


def _stored(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(_rounded(value) for value in values)


def _rounded(value: float) -> float:
    """Rounded to the digits that matter."""
    return float(f"{value:.4g}")
