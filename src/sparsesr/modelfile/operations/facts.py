"""Building blocks of an operation's entry: inputs, weights, multiply-adds, number types, masking."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sparsesr.modelfile.operations.value_types import Kind, Resolution, TypedNode, ValueType
from sparsesr.modelfile.spec import Node

Rows: TypeAlias = "tuple[int, int]"
Sizes: TypeAlias = "dict[str, int]"


@dataclass(frozen=True)
class InputSpec:
    """One input of an op; ``None`` accepts any value."""

    name: str
    kind: Kind
    resolution: Resolution | None = None
    channels: int | None = None
    optional: bool = False
    """May be left out; for the last input only."""
    repeats: bool = False
    """May be given several times; for the last input only."""

    def accepts(self, value: ValueType) -> bool:
        """Return True if a tensor of this type is valid here."""
        return (
            value.kind is self.kind
            and (value.resolution is None or self.resolution in (None, value.resolution))
            and self.channels in (None, value.channels)
        )


@dataclass(frozen=True)
class WeightRole:
    """A stored tensor of an op.

    ``shape`` mixes numbers and symbols. A symbol is known from the inputs (``I``: input channels, ``C``: channels
    of a map or vector) or the attributes (``k``), or else is bound by the first role that has it (``O``).
    """

    name: str
    shape: tuple[int | str, ...]
    optional: bool = False


@dataclass(frozen=True)
class Macs:
    """Multiply-adds of a node per pixel at the resolution ``counted_at``, or per image where that is None."""

    active: int
    """At an active pixel."""
    inactive: int
    """At an inactive pixel; equal to ``active`` for ops without a mask."""
    counted_at: Resolution | None
    per_pair: int = 0
    """In addition, for each pair of pixels (query and key) of one segment of attention."""
    segments: int = 1
    """Number of segments of attention into which the pixels are cut, in raster order."""


def _no_groups(node: Node) -> Sequence[Sequence[str]]:
    return ()


@dataclass(frozen=True)
class NumberTypes:
    """Number types of maps, as kernels name them; sums are always in fp32."""

    reads: frozenset[str]
    writes: frozenset[str]
    same_type_maps: Callable[[Node], Sequence[Sequence[str]]] = _no_groups
    """Groups of maps; the maps of a group must have the same number type."""


FP32 = frozenset({"f32"})
FP32_OR_BF16 = FP32 | {"bf16"}
FP32_ONLY = NumberTypes(FP32, FP32)


@dataclass(frozen=True)
class Masking:
    """Reads and results of a masked operation at inactive pixels. Active pixels are computed in full.

    Lists have one entry for each of the operation's ``features``.
    """

    reach: Callable[[Node], int]
    """Distance around an active pixel at which all channels are read: 1 for a 3x3 kernel."""
    dense_in: Callable[[Node], Sequence[int]]
    """Leading channels that are read at and around inactive pixels."""
    dense_out: Callable[[Node], int]
    """Leading output channels that are computed at inactive pixels. The others are zero there, but zeros are written
    only where a reader needs them."""
    keeps_residual: Callable[[Node], bool]
    """Whether inactive output pixels are instead those of the last input, the residual."""
    unmasked: Callable[[TypedNode], TypedNode]
    """Equivalent node without the mask, which computes every pixel in full."""
    is_bias_outside: Callable[[TypedNode], bool]
    """Whether the output is the bias at every inactive pixel."""
