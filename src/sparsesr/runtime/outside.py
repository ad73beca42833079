"""Which zeros a masked map needs outside its mask, and which zeros a masked convolution may rely on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple

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


class Surroundings(NamedTuple):
    """What a masked convolution must leave, and what it finds, outside its mask."""

    zeros: Outside = Outside.EVERYWHERE
    always: list[int] | None = None
    """Of each input: channels behind which all is zero outside the mask. None where no input has such channels."""


def surroundings(typed: Sequence[TypedNode], output: str) -> Mapping[str, Surroundings]:
    """For each masked convolution of a network, by its output."""
    masked = [entry for entry in typed if entry.node.op == "masked_conv2d"]
    return {
        entry.node.output: Surroundings(_outside(entry, typed, output), _always(entry, typed))
        for entry in masked
    }


def _always(reader: TypedNode, typed: Sequence[TypedNode]) -> list[int] | None:
    if KERNEL.of(reader.node) != 3:  # a 1x1 reads active pixels only
        return None
    writers = {entry.node.output: entry for entry in typed}
    found: list[int] = []
    for name, value in zip(feature_inputs(reader.node), reader.inputs[1:], strict=True):
        node = writers[name].node
        is_masked = node.op == "masked_conv2d" and node.inputs[0] == reader.node.inputs[0]
        found.append(DENSE_OUT.of(node) if is_masked else value.channels)
    return found if found != [value.channels for value in reader.inputs[1:]] else None


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
