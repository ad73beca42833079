"""The recorded cost of a precision: how much PSNR a model loses when it runs in bf16 or int8 instead of fp32.

``--precision auto`` reads it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sparsesr.modelfile import json_fields as fields
from sparsesr.modelfile.json_fields import Json
from sparsesr.modelfile.measured_records import check_records

REDUCED_PRECISIONS = ("bf16", "int8")


@dataclass(frozen=True)
class PrecisionCost:
    """Loss of PSNR-Y against HR images; LR by MATLAB's bicubic, results rounded to 8 bits."""

    scale: int
    """Scale at which it was measured."""
    psnr_y_db: float
    """PSNR-Y in fp32, mean over the images."""
    mean_db: float
    """PSNR-Y in fp32 minus PSNR-Y in the precision, mean over the images; negative where that happens to be better."""
    worst_db: float
    """The same for the image that loses most."""
    measured_on: str
    """Names of the images, or of their set."""


def key_of(precision: str) -> str:
    """Name of the fact that holds the records of a precision."""
    return f"{precision}_costs"


def costs_of(facts: dict[str, Json], precision: str) -> tuple[PrecisionCost, ...]:
    """Parse the records in the JSON of a model's facts; empty for files without any.

    Raises:
        ModelError: a field is missing or of the wrong type.
    """
    key = key_of(precision)
    if key not in facts:
        return ()
    return tuple(_cost(fields.as_object(item, key), key) for item in fields.sequence(facts, key, "facts"))


def _cost(data: dict[str, Json], key: str) -> PrecisionCost:
    return PrecisionCost(
        scale=fields.integer(data, "scale", key),
        psnr_y_db=float(fields.number(data, "psnr_y_db", key)),
        mean_db=float(fields.number(data, "mean_db", key)),
        worst_db=float(fields.number(data, "worst_db", key)),
        measured_on=fields.text(data, "measured_on", key),
    )


def check_costs(precision: str, costs: Collection[PrecisionCost], scales: Collection[int]) -> None:
    """Raise ModelError unless each record is for a scale of the model, with at most one per scale."""
    check_records(key_of(precision), "record", costs, scales)
