"""What one entry of the op registry declares, and how a node is checked against it.

A graph carries three kinds of tensors: *maps* (channels at the picture's resolution, or at any multiple or
fraction of it), *masks* (which pixels are active) and *vectors* (one number per channel for the whole
picture). Resolutions are relative to the LR picture. Rows of a map are its own rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from math import gcd
from typing import TypeAlias

from sparsesr.errors import ModelError
from sparsesr.modelfile.attributes import AnyAttr
from sparsesr.modelfile.json_fields import shown
from sparsesr.modelfile.spec import Node

PICTURE_CHANNELS = 3
"""A map of so many channels is a picture, whatever it means: it is stored as one and stays in fp32."""


class Kind(Enum):
    """What a tensor of the graph is."""

    MAP = "map"
    MASK = "mask"
    VECTOR = "vector"


@dataclass(frozen=True)
class Resolution:
    """Size of a map or mask relative to the LR picture: ``up / down``, in lowest terms, of its sides."""

    up: int = 1
    down: int = 1

    def times(self, up: int, down: int = 1) -> Resolution:
        """The resolution of a map that is ``up / down`` times as large."""
        common = gcd(self.up * up, self.down * down)
        return Resolution(self.up * up // common, self.down * down // common)

    def of(self, lr_px: int) -> int:
        """Pixels of a side that has ``lr_px`` pixels in the LR picture; what does not divide is left out."""
        return lr_px * self.up // self.down

    def __str__(self) -> str:
        if self.up == self.down:
            return "full"
        return f"{self.up}/{self.down}" if self.down > 1 else f"x{self.up}"


FULL, HALF = Resolution(), Resolution(1, 2)


@dataclass(frozen=True)
class ValueType:
    """Type of a tensor of the graph; vectors have no resolution, masks one channel."""

    kind: Kind
    channels: int
    resolution: Resolution | None

    @property
    def is_picture(self) -> bool:
        """True for a map that has the form of a picture."""
        return self.kind is Kind.MAP and self.channels == PICTURE_CHANNELS

    def __str__(self) -> str:
        place = "" if self.resolution is None else f" at {self.resolution} resolution"
        return f"{self.kind.value} of {self.channels} channels{place}"


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


@dataclass(frozen=True)
class TypedNode:
    """A node that passed its schema, with the types of its inputs and output and the sizes of symbols."""

    node: Node
    inputs: tuple[ValueType, ...]
    output: ValueType
    sizes: Mapping[str, int]


Rows: TypeAlias = "tuple[int, int]"
Sizes: TypeAlias = "dict[str, int]"


@dataclass(frozen=True)
class OpSchema:
    """The complete definition of an op for everybody but the kernels."""

    name: str
    summary: str
    inputs: tuple[InputSpec, ...]
    attrs: tuple[AnyAttr, ...]
    weights: tuple[WeightRole, ...]
    bind: Callable[[Node, Sequence[ValueType]], Sizes]
    """Sizes known before the weights are looked at; raises ModelError where inputs or attributes disagree."""
    infer: Callable[[Node, Sequence[ValueType], Sizes], ValueType]
    """Type of the output; raises ModelError where sizes disagree."""
    rows: Callable[[Node, int, int, int], Rows]
    """``rows(node, a, b, i)``: rows [lo, hi) of input ``i`` that output rows [a, b) need, not clipped."""
    macs: Callable[[TypedNode], Macs]
    is_global: bool = False
    """True if output values depend on the whole picture: a barrier for row-wise execution."""
    enlarges: bool = False
    """True if it multiplies the size of its input, which must then be a whole fraction of the picture."""
    is_eager: bool = False
    """True if it is computed as soon as its inputs are there, so that one map is kept instead of several."""

    def type_node(
        self, node: Node, inputs: Sequence[ValueType], shapes: Mapping[str, tuple[int, ...]]
    ) -> TypedNode:
        """Check a node completely and infer its output.

        Args:
            node: the node, whose ``op`` is this schema's name.
            inputs: types of its inputs, in order.
            shapes: shape of every stored tensor.

        Raises:
            ModelError: says what is wrong with the node; the caller adds which node it is.
        """
        self._check_inputs(inputs)
        self._check_attrs(node)
        sizes = self.bind(node, inputs)
        self._check_weights(node, shapes, sizes)
        return TypedNode(node, tuple(inputs), self.infer(node, inputs, sizes), sizes)

    def _check_inputs(self, inputs: Sequence[ValueType]) -> None:
        least = sum(not spec.optional for spec in self.inputs)
        repeats = bool(self.inputs) and self.inputs[-1].repeats
        if len(inputs) < least or (len(inputs) > len(self.inputs) and not repeats):
            raise ModelError(f"takes {self._input_words()}, got {len(inputs)} inputs")
        for index, value in enumerate(inputs):
            spec = self.inputs[min(index, len(self.inputs) - 1)]
            if not spec.accepts(value):
                raise ModelError(f"input {spec.name} cannot be a {value}")

    def _input_words(self) -> str:
        words = [f"[{spec.name}]" if spec.optional else spec.name for spec in self.inputs]
        return f"({', '.join(words)}{', ...' if self.inputs and self.inputs[-1].repeats else ''})"

    def _check_attrs(self, node: Node) -> None:
        unknown = sorted(set(node.attrs) - {spec.name for spec in self.attrs})
        if unknown:
            raise ModelError(f"has an unknown attribute {shown(unknown[0])}")
        for spec in self.attrs:
            problem = spec.problem(node)
            if problem:
                raise ModelError(f"attribute {spec.name} {problem}")

    def _check_weights(self, node: Node, shapes: Mapping[str, tuple[int, ...]], sizes: Sizes) -> None:
        unknown = sorted(set(node.weights) - {role.name for role in self.weights})
        if unknown:
            raise ModelError(f"has an unknown weight role {shown(unknown[0])}")
        for role in self.weights:
            tensor = node.weights.get(role.name)
            if tensor is None:
                if not role.optional:
                    raise ModelError(f"weight role {role.name} is missing")
            elif tensor not in shapes:
                raise ModelError(f"tensor {shown(tensor)} ({role.name}) is not in the file")
            else:
                _bind_shape(role, shapes[tensor], sizes)


def _bind_shape(role: WeightRole, actual: tuple[int, ...], sizes: Sizes) -> None:
    """Match a tensor's shape with the role's, binding symbols met for the first time."""
    wanted = [sizes.get(dim, dim) if isinstance(dim, str) else dim for dim in role.shape]
    fits = len(role.shape) == len(actual) and all(
        size > 0 and size == (sizes.setdefault(dim, size) if isinstance(dim, str) else dim)
        for dim, size in zip(role.shape, actual, strict=True)
    )
    if not fits:
        raise ModelError(f"{role.name} has shape {list(actual)}, expected [{', '.join(map(str, wanted))}]")
