"""The recorded cost of bf16: how much PSNR a model loses when it runs in bf16.

``--precision auto`` reads it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sparsesr.modelfile import json_fields as fields
from sparsesr.modelfile.json_fields import Json

KEY = "bf16_costs"
_MAX_TEXT = 200


@dataclass(frozen=True)
class Bf16Cost:
    """Loss of PSNR-Y against HR images; LR by MATLAB's bicubic, results rounded to 8 bits."""

    scale: int
    """Scale at which it was measured."""
    psnr_y_db: float
    """PSNR-Y in fp32, mean over the images."""
    mean_db: float
    """PSNR-Y in fp32 minus PSNR-Y in bf16, mean over the images; negative where bf16 happens to be better."""
    worst_db: float
    """The same for the image that loses most."""
    measured_on: str
    """Names of the images, or of their set."""


def costs_of(facts: dict[str, Json]) -> tuple[Bf16Cost, ...]:
    """Parse the records in the JSON of a model's facts; empty for files without any.

    Raises:
        ModelError: a field is missing or of the wrong type.
    """
    if KEY not in facts:
        return ()
    return tuple(_cost(fields.as_object(item, KEY)) for item in fields.sequence(facts, KEY, "facts"))


def _cost(data: dict[str, Json]) -> Bf16Cost:
    return Bf16Cost(
        scale=fields.integer(data, "scale", KEY),
        psnr_y_db=float(fields.number(data, "psnr_y_db", KEY)),
        mean_db=float(fields.number(data, "mean_db", KEY)),
        worst_db=float(fields.number(data, "worst_db", KEY)),
        measured_on=fields.text(data, "measured_on", KEY),
    )


def check_costs(costs: Collection[Bf16Cost], scales: Collection[int]) -> None:
    """Raise ModelError unless each record is for a scale of the model, with at most one per scale."""
    measured = [cost.scale for cost in costs]
    if len(set(measured)) != len(measured):
        fields.fail(f"{KEY}: has two records for one scale")
    for cost in costs:
        if cost.scale not in scales:
            fields.fail(f"{KEY}: has a record for x{cost.scale}, which the model does not serve")
        if len(cost.measured_on) > _MAX_TEXT or not cost.measured_on.isprintable():
            fields.fail(f"{KEY}: measured_on is too long or holds control characters")
