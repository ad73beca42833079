"""How much of a network's work runs in each precision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sparsesr.modelfile.operations.registry import mask_of
from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.modelfile.spec import ModelFile
from sparsesr.runtime.graph.cost import count_macs
from sparsesr.runtime.graph.number_types import BF16, input_types, types_in_bf16
from sparsesr.runtime.graph.quantised import reads_quantised, with_quantised_maps
from sparsesr.runtime.graph.quantised_copies import quantised_copies

_SIDE_PX = 64
_DENSITY = 0.4
"""Typical of learned masks; those of an image are not known before it is run."""


class PrecisionWork(NamedTuple):
    """What of a network runs in a precision, relative to all of its multiply-adds."""

    share: float
    """Multiply-adds in the precision."""
    written: float = 0.0
    """Values that these convolutions write."""
    copied: float = 0.0
    """Values that are copied into maps of the precision."""


Works = Mapping[str, PrecisionWork]
"""By precision."""


def precision_work(model: ModelFile, masked: Sequence[TypedNode]) -> Works:
    """The work in each precision besides fp32; not of those in which no layer can run.

    Args:
        model: the model.
        masked: its graph with everything fused.
    """
    densities = {mask: _DENSITY for entry in masked if (mask := mask_of(entry.node)) is not None}
    nodes = count_macs(model, _SIDE_PX, _SIDE_PX, densities, masked).nodes
    macs = {entry.node.output: node.macs for entry, node in zip(masked, nodes, strict=True)}
    total = max(sum(macs.values()), 1)
    types = types_in_bf16(masked)
    runs = {
        "bf16": [entry for entry in masked if BF16 in input_types(entry, types)],
        "int8": [entry for entry in masked if reads_quantised(entry.node)],
    }
    copies = {"bf16": 0.0, "int8": _values(_copied(masked, model.graph.output))}
    return {
        precision: PrecisionWork(
            sum(macs[entry.node.output] for entry in found) / total,
            _values(found) / total,
            copies[precision] / total,
        )
        for precision, found in runs.items()
        if found or (precision == "bf16" and types)
    }


def _copied(masked: Sequence[TypedNode], output: str) -> list[TypedNode]:
    """The nodes whose results have quantised copies."""
    copies = quantised_copies(*with_quantised_maps(masked, output))
    return [entry for entry in masked if entry.node.output in copies]


def _values(entries: Iterable[TypedNode]) -> float:
    """Values that nodes write, at active pixels."""
    return sum(
        entry.output.channels
        * entry.output.resolution.of(_SIDE_PX) ** 2
        * (1.0 if mask_of(entry.node) is None else _DENSITY)
        for entry in entries
        if entry.output.resolution is not None
    )
