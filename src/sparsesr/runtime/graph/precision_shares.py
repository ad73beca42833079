"""How much of a network's work runs in each precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sparsesr.modelfile.operations.registry import mask_of
from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.modelfile.spec import ModelFile
from sparsesr.runtime.graph.cost import count_macs
from sparsesr.runtime.graph.number_types import BF16, input_types, types_in_bf16
from sparsesr.runtime.graph.quantised import reads_quantised

_SIDE_PX = 64
_DENSITY = 0.4
"""Typical of learned masks; those of an image are not known before it is run."""


def precision_shares(model: ModelFile, masked: Sequence[TypedNode]) -> Mapping[str, float]:
    """Share of a network's multiply-adds that run in each precision besides fp32; not those in which none can.

    Args:
        model: the model.
        masked: its graph with everything fused.
    """
    densities = {mask: _DENSITY for entry in masked if (mask := mask_of(entry.node)) is not None}
    macs = [node.macs for node in count_macs(model, _SIDE_PX, _SIDE_PX, densities, masked).nodes]
    types = types_in_bf16(masked)
    runs = {
        "bf16": [BF16 in input_types(entry, types) for entry in masked],
        "int8": [reads_quantised(entry.node) for entry in masked],
    }
    return {
        precision: sum(n for n, is_there in zip(macs, found, strict=True) if is_there) / max(sum(macs), 1)
        for precision, found in runs.items()
        if any(found) or (precision == "bf16" and types)
    }
