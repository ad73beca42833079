"""Readers of maps that are constant at inactive pixels of a mask. The runtime adds them to masked networks.

They read the constants, which are the bias of the convolution before them, so that nobody writes or reads such pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

from sparsesr.modelfile.operations.facts import FP32, FP32_OR_BF16, InputSpec, NumberTypes, Sizes, WeightRole
from sparsesr.modelfile.operations.operation import Operation
from sparsesr.modelfile.operations.value_types import FULL, Kind, TypedNode, ValueType
from sparsesr.modelfile.spec import Node

_MASK, _X = InputSpec("mask", Kind.MASK, FULL), InputSpec("x", Kind.MAP, FULL)
_WEIGHTS = (WeightRole("outside", ("C",), optional=True),)


def _mean_type(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    return ValueType(Kind.VECTOR, inputs[1].channels, None)


def _map_type(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    return inputs[1]


def _channels(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    return {"C": inputs[1].channels}


def _same_type_maps(node: Node) -> Sequence[Sequence[str]]:
    _, feature, _, *residual = node.inputs
    return [(feature, *residual, node.output)]


def _in_place(node: Node, index: int) -> bool:
    return index > 0


MEAN_OUTSIDE_MASK = Operation(
    name="mean_outside_mask",
    summary="global_mean of a map that is constant outside the mask",
    inputs=(_MASK, _X),
    weights=_WEIGHTS,
    bind=_channels,
    infer=_mean_type,
    sees_whole_image=True,
    produces=Kind.VECTOR,
    number_types=NumberTypes(reads=FP32_OR_BF16, writes=FP32),
)
SCALE_ADD_OUTSIDE_MASK = Operation(
    name="scale_add_outside_mask",
    summary="scale_add of a map that is constant outside the mask",
    inputs=(_MASK, _X, InputSpec("vector", Kind.VECTOR), InputSpec("residual", Kind.MAP, optional=True)),
    weights=_WEIGHTS,
    bind=_channels,
    infer=_map_type,
    number_types=NumberTypes(FP32_OR_BF16, FP32_OR_BF16, _same_type_maps),
    in_place=_in_place,
)


def mean_outside(typed: TypedNode, mask: str, bias: str | None) -> TypedNode:
    """A mean over the whole image, reading `bias` outside the mask."""
    return _outside(typed, MEAN_OUTSIDE_MASK, mask, bias)


def scale_add_outside(typed: TypedNode, mask: str, bias: str | None) -> TypedNode:
    """A scaled map, reading `bias` outside the mask."""
    return _outside(typed, SCALE_ADD_OUTSIDE_MASK, mask, bias)


def _outside(typed: TypedNode, operation: Operation, mask: str, bias: str | None) -> TypedNode:
    node = typed.node
    weights = {} if bias is None else {"outside": bias}
    reading = Node(operation.name, (mask, *node.inputs), node.output, {}, weights, node.name)
    sizes = {"C": typed.inputs[0].channels}
    return TypedNode(reading, (ValueType(Kind.MASK, 1, FULL), *typed.inputs), typed.output, sizes)
