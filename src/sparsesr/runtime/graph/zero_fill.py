"""Zero-fill analysis: where inactive pixels of a masked map must be cleared, and which zeros readers can rely on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from sparsesr.modelfile.operations.attributes import OUTSIDE_UNWRITTEN
from sparsesr.modelfile.operations.facts import Masking
from sparsesr.modelfile.operations.registry import feature_inputs, mask_of, operation_of
from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.modelfile.spec import Node


class ZeroFill(Enum):
    """Inactive pixels whose sparse channels are cleared in a masked map; at other inactive ones they are undefined.

    For a quantised copy, those that are copied.
    """

    EVERYWHERE = "everywhere"
    BORDER = "border"
    """Only at pixels next to an active one: the readers are 3x3 convolutions with the same mask."""
    NOWHERE = "nowhere"
    """The readers are 1x1 convolutions with the same mask or know what is there, or these pixels hold a residual."""

    def covers(self, other: ZeroFill) -> bool:
        """True if this clears at least the pixels that `other` clears."""
        falling = list(ZeroFill)
        return falling.index(self) <= falling.index(other)


class MaskZeros(NamedTuple):
    """Zeros at inactive pixels: those that a masked operation writes, and those it can rely on in its inputs."""

    fill: ZeroFill = ZeroFill.EVERYWHERE
    nonzero_channels: list[int] | None = None
    """Per input: leading channels that may be nonzero at inactive pixels; None if all channels of all inputs may be."""


def mask_zeros(typed: Sequence[TypedNode], output: str) -> Mapping[str, MaskZeros]:
    """The zeros of each masked operation of a network, by output."""
    return {
        entry.node.output: MaskZeros(
            _fill(entry, masking, typed, output), _nonzero_inputs(entry, masking, typed)
        )
        for entry in typed
        if (masking := operation_of(entry.node).masking) is not None
    }


def _nonzero_inputs(reader: TypedNode, masking: Masking, typed: Sequence[TypedNode]) -> list[int] | None:
    if masking.reach(reader.node) == 0:  # reads active pixels only
        return None
    types = dict(zip(reader.node.inputs, reader.inputs, strict=True))
    features = feature_inputs(reader.node)
    writers = {entry.node.output: entry.node for entry in typed}
    found = [
        _nonzero_channels(writers[name], mask_of(reader.node), types[name].channels) for name in features
    ]
    return found if found != [types[name].channels for name in features] else None


def _nonzero_channels(writer: Node, mask: str | None, channels: int) -> int:
    """Leading channels of a map that may be nonzero where a mask is inactive."""
    masking = operation_of(writer).masking
    if masking is None or masking.keeps_residual(writer) or mask_of(writer) != mask:
        return channels
    return masking.dense_out(writer)


def _fill(writer: TypedNode, masking: Masking, typed: Sequence[TypedNode], output: str) -> ZeroFill:
    if masking.keeps_residual(writer.node) or OUTSIDE_UNWRITTEN.of(writer.node):
        return ZeroFill.NOWHERE
    name, dense = writer.node.output, masking.dense_out(writer.node)
    if name == output:
        return ZeroFill.EVERYWHERE
    return inactive_pixels_read(typed, name, mask_of(writer.node), dense)


def inactive_pixels_read(typed: Sequence[TypedNode], name: str, mask: str | None, dense: int = 0) -> ZeroFill:
    """Inactive pixels of a mask at which readers of a map use channels from `dense` on."""
    readers = [entry.node for entry in typed if name in entry.node.inputs]
    reaches = [_reach_under_mask(reader, mask, name, dense) for reader in readers]
    if None in reaches:
        return ZeroFill.EVERYWHERE
    return ZeroFill.BORDER if any(reaches) else ZeroFill.NOWHERE


def _reach_under_mask(reader: Node, mask: str | None, name: str, dense: int) -> int | None:
    """Distance from active pixels within which a node reads a map's sparse channels; None if it has no bound."""
    masking, features = operation_of(reader).masking, feature_inputs(reader)
    if masking is None or mask_of(reader) != mask or features.count(name) != reader.inputs.count(name):
        return None
    if masking.dense_out(reader) == 0:  # nothing is computed at inactive pixels
        return masking.reach(reader)
    reads = zip(features, masking.dense_in(reader), strict=True)
    return masking.reach(reader) if all(read <= dense for other, read in reads if other == name) else None
