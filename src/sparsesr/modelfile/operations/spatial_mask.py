"""Spatial mask: selection of the active pixels."""

from __future__ import annotations

from sparsesr.modelfile.operations.facts import InputSpec
from sparsesr.modelfile.operations.operation import Operation
from sparsesr.modelfile.operations.shared_rules import mask_type
from sparsesr.modelfile.operations.upsampled_mask import upsampled
from sparsesr.modelfile.operations.value_types import FULL, Kind

SPATIAL_MASK = Operation(
    name="spatial_mask",
    summary="active where logit 1 > logit 0",
    inputs=(InputSpec("logits", Kind.MAP, FULL, channels=2),),
    infer=mask_type,
    produces=Kind.MASK,
    absorbs_writer=upsampled,
)
