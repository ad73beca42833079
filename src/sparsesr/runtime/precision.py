"""Which maps of a network are kept and multiplied in bf16, and when that pays.

In bf16 a map takes half the memory, and processors with the instruction multiply two channels at once; sums
stay in fp32. Pictures, logits and what is about to become a picture keep their 32 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from sparsesr import _native
from sparsesr.errors import UsageError
from sparsesr.modelfile.op_rules import feature_inputs, has_addend
from sparsesr.modelfile.op_schema import Kind, TypedNode

PRECISIONS = ("auto", "fp32", "bf16")
PICTURE_CHANNELS = 3
MIN_GAIN = 1.3
"""bf16 is chosen where it multiplies at least this many times as fast as fp32."""
_PROBE_MS = 3
_READS_BF16 = {
    "conv2d",
    "masked_conv2d",
    "conv_transpose2x",
    "avg_pool2x2",
    "global_mean",
    "scale_add",
}
_WRITES_BF16 = {"conv2d", "masked_conv2d", "avg_pool2x2", "scale_add"}
_SAME_TYPE_THROUGHOUT = {"avg_pool2x2", "scale_add"}


def resolve(precision: str) -> str:
    """``fp32`` or ``bf16`` for a wish that may be ``auto``.

    A processor without bf16 instructions computes in fp32 whatever is wished. ``auto`` takes the faster one, by a
    measurement of a few milliseconds: there are processors whose bf16 instructions are slower than fp32.

    Raises:
        UsageError: no such precision.
    """
    if precision not in PRECISIONS:
        raise UsageError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision}")
    if precision == "fp32" or not _native.has_fast_bf16():
        return "fp32"
    return "bf16" if precision == "bf16" or bf16_gain() >= MIN_GAIN else "fp32"


@lru_cache(maxsize=1)
def bf16_gain() -> float:
    """How many times as fast as in fp32 this processor multiplies and adds in bf16."""
    peaks = {dtype: _native.multiply_add_peak(dtype, 1, _PROBE_MS) for dtype in ("f32", "bf16")}
    return peaks["bf16"] / peaks["f32"]


def bf16_maps(typed: Sequence[TypedNode], precision: str) -> frozenset[str]:
    """Names of the maps that a run keeps in bf16: those that all who touch them can handle.

    Args:
        typed: the network.
        precision: ``fp32`` or ``bf16``.
    """
    if precision != "bf16":
        return frozenset()
    chosen = {entry.node.output for entry in typed if _may_write(entry)}
    while True:
        refused = {name for entry in typed for name in _refused(entry, chosen)}
        if not refused:
            return frozenset(chosen)
        chosen -= refused


def input_dtype(entry: TypedNode, bf16: frozenset[str]) -> str:
    """Type of the maps that a node multiplies, as kernels name it: ``f32`` or ``bf16``."""
    return "bf16" if bf16.intersection(_multiplied(entry)) else "f32"


def _multiplied(entry: TypedNode) -> list[str]:
    """Input maps, without those that a convolution only adds."""
    if entry.node.op in ("conv2d", "masked_conv2d"):
        return list(feature_inputs(entry.node))
    return [n for n, value in zip(entry.node.inputs, entry.inputs, strict=True) if value.kind is Kind.MAP]


def _may_write(entry: TypedNode) -> bool:
    is_map = entry.output.kind is Kind.MAP and entry.output.channels != PICTURE_CHANNELS
    return is_map and entry.node.op in _WRITES_BF16


def _refused(entry: TypedNode, chosen: set[str]) -> set[str]:
    """Maps around this node that cannot stay in bf16."""
    maps = [n for n, v in zip(entry.node.inputs, entry.inputs, strict=True) if v.kind is Kind.MAP]
    if entry.node.op not in _READS_BF16:
        return chosen & set(maps)
    if entry.node.op in _SAME_TYPE_THROUGHOUT:
        return _unless_all([*maps, entry.node.output], chosen)
    if entry.node.op == "global_mean":
        return set()
    refused = _unless_all(_multiplied(entry), chosen)
    if has_addend(entry.node):
        refused |= _unless_all([entry.node.inputs[-1], entry.node.output], chosen)
    return refused


def _unless_all(names: Sequence[str], chosen: set[str]) -> set[str]:
    """Those of the names that are chosen, unless all are."""
    found = chosen & set(names)
    return set() if len(found) == len(set(names)) else found
