"""Checks of records that something has measured for a model, one for each of its scales."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from sparsesr.modelfile import json_fields as fields

_MAX_TEXT = 200


class MeasuredRecord(Protocol):
    """A record for one scale."""

    @property
    def scale(self) -> int:
        """The scale that it is for."""
        ...

    @property
    def measured_on(self) -> str:
        """The images that were used."""
        ...


def check_records(key: str, noun: str, records: Collection[MeasuredRecord], scales: Collection[int]) -> None:
    """Raise ModelError unless each record is for a scale of the model, with at most one per scale."""
    measured = [record.scale for record in records]
    if len(set(measured)) != len(measured):
        fields.fail(f"{key}: has two {noun}s for one scale")
    for record in records:
        if record.scale not in scales:
            fields.fail(f"{key}: has a {noun} for x{record.scale}, which the model does not serve")
        if len(record.measured_on) > _MAX_TEXT or not record.measured_on.isprintable():
            fields.fail(f"{key}: measured_on is too long or holds control characters")
