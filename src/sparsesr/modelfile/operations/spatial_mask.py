"""Spatial mask: selection of the active pixels."""

from __future__ import annotations

from collections.abc import Sequence

from sparsesr.modelfile.operations.facts import InputSpec, Sizes
from sparsesr.modelfile.operations.operation import Operation
from sparsesr.modelfile.operations.value_types import FULL, Kind, ValueType
from sparsesr.modelfile.spec import Node


def mask_type(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """One flag per pixel."""
    return ValueType(Kind.MASK, 1, FULL)


SPATIAL_MASK = Operation(
    name="spatial_mask",
    summary="active where logit 1 > logit 0",
    inputs=(InputSpec("logits", Kind.MAP, FULL, channels=2),),
    infer=mask_type,
    produces=Kind.MASK,
)
