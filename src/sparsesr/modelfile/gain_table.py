"""The recorded gain of each effort: how much of bicubic's squared error a network removes on photographs.

The *gap* of a pixel is logit 1 minus logit 0 of the first mask, without the shift of an effort. Gains are squared
errors of luma (0..255), summed over the scale x scale results of an LR pixel, and negative where error is added.
Budgets over many images read the table (:mod:`sparsesr.engine.forecast`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sparsesr.modelfile import json_fields as fields
from sparsesr.modelfile.json_fields import Json
from sparsesr.modelfile.measured_records import check_records

KEY = "gain_tables"
_MAX_EFFORTS, _MAX_BINS = 65, 256


@dataclass(frozen=True)
class EffortGains:
    """What an effort gains, and how many pixels it makes active."""

    effort: float
    """0..1."""
    gain: float
    """Mean gain of a pixel."""
    mean_density: float
    """Share of active pixels, 0..1, mean over all masks."""
    densities: tuple[float, ...]
    """The same by bins of the gap."""


@dataclass(frozen=True)
class GainTable:
    """Gains of all efforts at one scale. LR by MATLAB's bicubic, results rounded to 8 bits."""

    scale: int
    first_gap: float
    """Centre of the first bin; gaps below belong to it."""
    gap_step: float
    """Width of the bins; gaps above the last belong to it."""
    least_gains: tuple[float, ...]
    """Gain of a pixel with effort 0 by bins of the gap, for a contrast factor of 1."""
    learned_gains: tuple[float, ...]
    """The same with the masks as learned, effort 0.5."""
    contrast_factors: tuple[float, ...]
    """Gains are multiplied by the one for the local contrast (see :mod:`sparsesr.engine.contrast`), whose range gaps do
    not follow."""
    efforts: tuple[EffortGains, ...]
    """Ascending by effort."""
    measured_on: str
    """Names of the images, or of their set."""

    @property
    def bins(self) -> int:
        """Number of bins of the gap."""
        return len(self.learned_gains)


def tables_of(facts: dict[str, Json]) -> tuple[GainTable, ...]:
    """Parse the tables in the JSON of a model's facts; empty for files without any.

    Raises:
        ModelError: a field is missing, of the wrong type or out of range.
    """
    if KEY not in facts:
        return ()
    return tuple(_table(fields.as_object(item, KEY)) for item in fields.sequence(facts, KEY, "facts"))


def _table(data: dict[str, Json]) -> GainTable:
    efforts = fields.sequence(data, "efforts", KEY)
    return GainTable(
        scale=fields.integer(data, "scale", KEY),
        first_gap=float(fields.number(data, "first_gap", KEY)),
        gap_step=float(fields.number(data, "gap_step", KEY)),
        least_gains=_numbers(data, "least_gains"),
        learned_gains=_numbers(data, "learned_gains"),
        contrast_factors=_numbers(data, "contrast_factors"),
        efforts=tuple(_effort(fields.as_object(item, KEY)) for item in efforts),
        measured_on=fields.text(data, "measured_on", KEY),
    )


def _effort(data: dict[str, Json]) -> EffortGains:
    return EffortGains(
        effort=float(fields.number(data, "effort", KEY)),
        gain=float(fields.number(data, "gain", KEY)),
        mean_density=float(fields.number(data, "mean_density", KEY)),
        densities=_numbers(data, "densities"),
    )


def _numbers(data: dict[str, Json], key: str) -> tuple[float, ...]:
    return tuple(map(float, fields.numbers(fields.sequence(data, key, KEY), f"{KEY}: {key}")))


def check_tables(tables: Collection[GainTable], scales: Collection[int]) -> None:
    """Raise ModelError unless each table is complete, in range and for a scale of the model, one per scale."""
    check_records(KEY, "table", tables, scales)
    for table in tables:
        _check_efforts(table)
        _check_bins(table)


def _check_efforts(table: GainTable) -> None:
    efforts = [each.effort for each in table.efforts]
    if not 1 <= len(efforts) <= _MAX_EFFORTS or efforts != sorted(set(efforts)):
        fields.fail(f"{KEY}: efforts must ascend, 1 to {_MAX_EFFORTS} of them")
    if not (efforts[0] >= 0 and efforts[-1] <= 1 and table.gap_step > 0):
        fields.fail(f"{KEY}: efforts must be in 0..1, and gap_step positive")
    densities = [density for each in table.efforts for density in (each.mean_density, *each.densities)]
    if not all(0 <= density <= 1 for density in densities):
        fields.fail(f"{KEY}: densities must be in 0..1")


def _check_bins(table: GainTable) -> None:
    by_gap = (table.least_gains, table.learned_gains, *(each.densities for each in table.efforts))
    lengths = {len(numbers) for numbers in by_gap}
    if len(lengths) != 1 or not 1 <= lengths.pop() <= _MAX_BINS:
        fields.fail(f"{KEY}: everything by gap needs the same 1 to {_MAX_BINS} bins")
    if not 1 <= len(table.contrast_factors) <= _MAX_BINS or min(table.contrast_factors) < 0:
        fields.fail(f"{KEY}: needs 1 to {_MAX_BINS} contrast_factors, none negative")
