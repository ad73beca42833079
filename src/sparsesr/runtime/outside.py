"""Which zeros a masked map needs outside its mask: only those that somebody reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from sparsesr.modelfile.attributes import DENSE_IN, DENSE_OUT, KERNEL
from sparsesr.modelfile.op_rules import feature_inputs
from sparsesr.modelfile.op_schema import TypedNode


class Outside(Enum):
    """Where the sparse channels of a masked map are zero outside the mask; elsewhere they are anything."""

    EVERYWHERE = "everywhere"
    BORDER = "border"
    """At pixels that touch an active one: the readers are 3x3 convolutions with the same mask."""
    NOWHERE = "nowhere"
    """The readers are 1x1 convolutions with the same mask."""


def outsides(typed: Sequence[TypedNode], output: str) -> Mapping[str, Outside]:
    """For each masked convolution of a network, by its output."""
    masked = [entry for entry in typed if entry.node.op == "masked_conv2d"]
    return {entry.node.output: _outside(entry, typed, output) for entry in masked}


def _outside(writer: TypedNode, typed: Sequence[TypedNode], output: str) -> Outside:
    name = writer.node.output
    readers = [entry for entry in typed if name in entry.node.inputs]
    if name == output or not all(_looks_under_the_mask(reader, writer) for reader in readers):
        return Outside.EVERYWHERE
    kernels = [KERNEL.of(reader.node) for reader in readers]
    return Outside.NOWHERE if max(kernels, default=1) == 1 else Outside.BORDER


def _looks_under_the_mask(reader: TypedNode, writer: TypedNode) -> bool:
    """True if sparse channels of the writer are read at and around active pixels only."""
    node = reader.node
    if node.op != "masked_conv2d" or node.inputs[0] != writer.node.inputs[0]:
        return False
    read = zip(feature_inputs(node), DENSE_IN.of(node), strict=True)
    return all(dense <= DENSE_OUT.of(writer.node) for name, dense in read if name == writer.node.output)
