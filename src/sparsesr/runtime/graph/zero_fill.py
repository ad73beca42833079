"""Zero-fill analysis: where the inactive pixels of a masked map must be cleared, and which zeros its readers find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from sparsesr.modelfile.operations.facts import Masking
from sparsesr.modelfile.operations.registry import feature_inputs, mask_of, operation_of
from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.modelfile.spec import Node


class ZeroFill(Enum):
    """The inactive pixels at which the sparse channels of a masked map are zero; at others they are undefined."""

    EVERYWHERE = "everywhere"
    BORDER = "border"
    """At pixels that touch an active one: the readers are 3x3 convolutions with the same mask."""
    NOWHERE = "nowhere"
    """The readers are 1x1 convolutions with the same mask."""


class MaskZeros(NamedTuple):
    """The zeros at inactive pixels that a masked operation writes, and those that it finds."""

    fill: ZeroFill = ZeroFill.EVERYWHERE
    nonzero_channels: list[int] | None = None
    """Of each input: leading channels that may be other than zero at inactive pixels; None if all channels may be."""


def mask_zeros(typed: Sequence[TypedNode], output: str) -> Mapping[str, MaskZeros]:
    """For each masked operation of a network, by its output."""
    return {
        entry.node.output: MaskZeros(
            _fill(entry, masking, typed, output), _nonzero_inputs(entry, masking, typed)
        )
        for entry in typed
        if (masking := operation_of(entry.node).masking) is not None
    }


def _nonzero_inputs(reader: TypedNode, masking: Masking, typed: Sequence[TypedNode]) -> list[int] | None:
    if masking.reach(reader.node) == 0:  # it reads active pixels only
        return None
    types = dict(zip(reader.node.inputs, reader.inputs, strict=True))
    features = feature_inputs(reader.node)
    writers = {entry.node.output: entry.node for entry in typed}
    found = [
        _nonzero_channels(writers[name], mask_of(reader.node), types[name].channels) for name in features
    ]
    return found if found != [types[name].channels for name in features] else None


def _nonzero_channels(writer: Node, mask: str | None, channels: int) -> int:
    """Leading channels of a map that may be other than zero where a mask is inactive."""
    masking = operation_of(writer).masking
    return channels if masking is None or mask_of(writer) != mask else masking.dense_out(writer)


def _fill(writer: TypedNode, masking: Masking, typed: Sequence[TypedNode], output: str) -> ZeroFill:
    name, dense = writer.node.output, masking.dense_out(writer.node)
    readers = [entry.node for entry in typed if name in entry.node.inputs]
    reaches = [_reach_under_mask(reader, mask_of(writer.node), name, dense) for reader in readers]
    if name == output or None in reaches:
        return ZeroFill.EVERYWHERE
    return ZeroFill.BORDER if any(reaches) else ZeroFill.NOWHERE


def _reach_under_mask(reader: Node, mask: str | None, name: str, dense: int) -> int | None:
    """Pixels around active ones at which a node reads sparse channels of a map; None if it reads them elsewhere too."""
    masking, features = operation_of(reader).masking, feature_inputs(reader)
    if masking is None or mask_of(reader) != mask or features.count(name) != reader.inputs.count(name):
        return None
    reads = zip(features, masking.dense_in(reader), strict=True)
    return masking.reach(reader) if all(read <= dense for other, read in reads if other == name) else None
