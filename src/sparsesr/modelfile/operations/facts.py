"""What an operation declares about itself."""

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
    """One input of an op; ``None`` means that any value is fine."""

    name: str
    kind: Kind
    resolution: Resolution | None = None
    channels: int | None = None
    optional: bool = False
    """Only the last input may be left out."""
    repeats: bool = False
    """Only the last input may be given several times."""

    def accepts(self, value: ValueType) -> bool:
        """True if a tensor of this type may stand here."""
        return (
            value.kind is self.kind
            and (value.resolution is None or self.resolution in (None, value.resolution))
            and self.channels in (None, value.channels)
        )


@dataclass(frozen=True)
class WeightRole:
    """A stored tensor that an op needs.

    ``shape`` mixes numbers and symbols. A symbol is known from the inputs (``I`` channels in, ``C`` of a
    vector) or the attributes (``k``), or else it is bound by the first role that has it (``O``).
    """

    name: str
    shape: tuple[int | str, ...]
    optional: bool = False


@dataclass(frozen=True)
class Macs:
    """Multiply-adds of a node per pixel of the grid ``counted_at``, or per picture where that is None."""

    active: int
    """At a pixel that is computed in full."""
    inactive: int
    """At a pixel that the mask switches off; equal to ``active`` for ops without a mask."""
    counted_at: Resolution | None
    per_pair: int = 0
    """Besides, for each two pixels (query and key) of the same segment."""
    segments: int = 1
    """Parts that the pixels are cut into, in raster order."""


def _no_groups(node: Node) -> Sequence[Sequence[str]]:
    return ()


@dataclass(frozen=True)
class NumberTypes:
    """The types that maps may have, as kernels name them; sums are always in fp32."""

    reads: frozenset[str]
    writes: frozenset[str]
    alike: Callable[[Node], Sequence[Sequence[str]]] = _no_groups
    """Groups of maps that must all have the same type."""


FP32 = frozenset({"f32"})
FP32_OR_BF16 = FP32 | {"bf16"}
FP32_ONLY = NumberTypes(FP32, FP32)


@dataclass(frozen=True)
class Masking:
    """What an operation with a mask reads and computes at inactive pixels. Active ones are computed in full.

    Lists have an entry for each of the operation's ``features``.
    """

    reach: Callable[[Node], int]
    """Pixels around an active one that it reads in full: 1 for a 3x3 kernel."""
    dense_in: Callable[[Node], Sequence[int]]
    """Leading channels that it reads at inactive pixels and around them."""
    dense_out: Callable[[Node], int]
    """Leading channels of the output that it computes at inactive pixels. The others are zero there, but those zeros
    are written only where a reader needs them."""
    unmasked: Callable[[TypedNode], TypedNode]
    """The node that computes every pixel in full, without the mask."""
