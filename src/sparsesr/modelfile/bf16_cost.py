"""What a model file records about computing in bf16: how much PSNR that costs, so that programs may choose it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sparsesr.modelfile import json_fields as fields
from sparsesr.modelfile.json_fields import Json

KEY = "bf16_costs"
_MAX_TEXT = 200


@dataclass(frozen=True)
class Bf16Cost:
    """Loss of PSNR-Y against true pictures, whose small forms MATLAB's bicubic made; results rounded to 8 bits."""

    scale: int
    """The enlargement that it was measured at."""
    psnr_y_db: float
    """In fp32, mean over the pictures."""
    mean_db: float
    """PSNR-Y in fp32 minus that in bf16, mean over the pictures; below 0 where bf16 happens to be better."""
    worst_db: float
    """The same on the picture that loses most."""
    measured_on: str
    """Names of the pictures, or of their set."""


def costs_of(facts: dict[str, Json]) -> tuple[Bf16Cost, ...]:
    """The records in the JSON of a model's facts; none in files of a sparsesr that did not measure yet.

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
    """ModelError unless there is at most one record for each scale, of scales that the model serves."""
    measured = [cost.scale for cost in costs]
    if len(set(measured)) != len(measured):
        fields.fail(f"{KEY}: has two records for one scale")
    for cost in costs:
        if cost.scale not in scales:
            fields.fail(f"{KEY}: has a record for x{cost.scale}, which the model does not serve")
        if len(cost.measured_on) > _MAX_TEXT or not cost.measured_on.isprintable():
            fields.fail(f"{KEY}: measured_on is too long or holds control characters")
