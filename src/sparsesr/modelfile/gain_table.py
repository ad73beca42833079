"""The recorded gain of each effort: how much of bicubic's squared error a network removes at pixels of several kinds.

The kind of a pixel is the *gap* of its first mask (logit 1 minus logit 0, without the shift of an effort), and the
contrast around it. Budgets over many images read the table (:mod:`sparsesr.engine.forecast`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sparsesr.modelfile import json_fields as fields
from sparsesr.modelfile.json_fields import Json

KEY = "gain_tables"
_MAX_EFFORTS, _MAX_BINS, _MAX_TEXT = 65, 256, 200


@dataclass(frozen=True)
class EffortGains:
    """What pixels gain and cost with one effort, by bins of their gaps."""

    effort: float
    """0..1."""
    gains: tuple[float, ...]
    """Squared error of luma (0..255) that the network removes against bicubic, summed over the scale x scale results
    of an LR pixel; negative where it adds error."""
    density: tuple[float, ...]
    """Share of the pixels that are active, 0..1, mean over all masks."""


@dataclass(frozen=True)
class GainTable:
    """Gains of all efforts at one scale. LR by MATLAB's bicubic, results rounded to 8 bits."""

    scale: int
    first_gap: float
    """Centre of the first bin; gaps below belong to it."""
    gap_step: float
    """Width of the bins; gaps above the last belong to it."""
    contrast_factors: tuple[float, ...]
    """Gains are multiplied by the one for the local contrast (see :mod:`sparsesr.engine.contrast`), whose range gaps do
    not follow."""
    efforts: tuple[EffortGains, ...]
    """Ascending by effort."""
    measured_on: str
    """Names of the images, or of their set."""

    @property
    def bins(self) -> int:
        """Number of bins."""
        return len(self.efforts[0].gains)


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
        contrast_factors=_numbers(data, "contrast_factors"),
        efforts=tuple(_effort(fields.as_object(item, KEY)) for item in efforts),
        measured_on=fields.text(data, "measured_on", KEY),
    )


def _effort(data: dict[str, Json]) -> EffortGains:
    return EffortGains(
        effort=float(fields.number(data, "effort", KEY)),
        gains=_numbers(data, "gains"),
        density=_numbers(data, "density"),
    )


def _numbers(data: dict[str, Json], key: str) -> tuple[float, ...]:
    return tuple(map(float, fields.numbers(fields.sequence(data, key, KEY), f"{KEY}: {key}")))


def check_tables(tables: Collection[GainTable], scales: Collection[int]) -> None:
    """Raise ModelError unless each table is complete, in range and for a scale of the model, one per scale."""
    measured = [table.scale for table in tables]
    if len(set(measured)) != len(measured):
        fields.fail(f"{KEY}: has two tables for one scale")
    for table in tables:
        if table.scale not in scales:
            fields.fail(f"{KEY}: has a table for x{table.scale}, which the model does not serve")
        if len(table.measured_on) > _MAX_TEXT or not table.measured_on.isprintable():
            fields.fail(f"{KEY}: measured_on is too long or holds control characters")
        _check_numbers(table)


def _check_numbers(table: GainTable) -> None:
    efforts = [each.effort for each in table.efforts]
    if not 1 <= len(efforts) <= _MAX_EFFORTS or efforts != sorted(set(efforts)):
        fields.fail(f"{KEY}: efforts must ascend, 1 to {_MAX_EFFORTS} of them")
    if not (efforts[0] >= 0 and efforts[-1] <= 1 and table.gap_step > 0):
        fields.fail(f"{KEY}: efforts must be in 0..1, and gap_step positive")
    lengths = {len(numbers) for each in table.efforts for numbers in (each.gains, each.density)}
    if len(lengths) != 1 or not 1 <= lengths.pop() <= _MAX_BINS:
        fields.fail(f"{KEY}: every effort needs the same 1 to {_MAX_BINS} bins")
    if not 1 <= len(table.contrast_factors) <= _MAX_BINS or min(table.contrast_factors) < 0:
        fields.fail(f"{KEY}: needs 1 to {_MAX_BINS} contrast_factors, none negative")
    if not all(0 <= share <= 1 for each in table.efforts for share in each.density):
        fields.fail(f"{KEY}: density must be in 0..1")
