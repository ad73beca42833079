"""Convolutions around blocks that leave inactive pixels alone. The runtime adds them to masked networks.

Before and behind such blocks, features matter only within reach of active pixels. Everywhere else the two convolutions
follow each other directly, so they are one linear map of 5x5 pixels of the image.
"""

from __future__ import annotations

from collections.abc import Sequence

from sparsesr.modelfile.operations.attributes import ACTIVATION, INT8_SCALES, KERNEL, REACH
from sparsesr.modelfile.operations.conv2d import CONV2D, WEIGHTS, feature_sizes, has_addend, kept_inputs
from sparsesr.modelfile.operations.facts import (
    FP32_ONLY,
    FP32_OR_BF16,
    InputSpec,
    Macs,
    NumberTypes,
    Rows,
    Sizes,
    WeightRole,
)
from sparsesr.modelfile.operations.operation import Operation
from sparsesr.modelfile.operations.value_types import FULL, IMAGE_CHANNELS, Kind, TypedNode, ValueType
from sparsesr.modelfile.spec import Node

_MASK = InputSpec("mask", Kind.MASK, FULL)
_FOLDED_REACH = 2


def _features(node: Node) -> tuple[str, ...]:
    return node.inputs[1:2]


def _bind(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    return feature_sizes(node, inputs[1:2])


def _infer(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    return ValueType(Kind.MAP, sizes["O"], FULL)


def _conv_rows(node: Node, a: int, b: int, index: int) -> Rows:
    reach = (REACH.of(node), KERNEL.of(node) // 2, 0)[index]
    return a - reach, b + reach


def _conv_macs(typed: TypedNode) -> Macs:
    sizes = typed.sizes
    return Macs(kept_inputs(typed.node, sizes["I"]) * sizes["O"] * sizes["k"] ** 2, 0, FULL)


def _same_type_maps(node: Node) -> Sequence[Sequence[str]]:
    return [node.inputs[1:2], (*node.inputs[2:], node.output)]


def _keeps(node: Node, index: int) -> bool:
    return index == 2


def _folded_bind(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    return {}


def _folded_rows(node: Node, a: int, b: int, index: int) -> Rows:
    reach = (REACH.of(node), _FOLDED_REACH)[index]
    return a - reach, b + reach


def _folded_macs(typed: TypedNode) -> Macs:
    taps = (2 * _FOLDED_REACH + 1) ** 2
    return Macs(0, IMAGE_CHANNELS * typed.output.channels * taps, FULL)


REACHED_CONV2D = Operation(
    name="reached_conv2d",
    summary="conv2d at pixels within reach of active ones; others keep the last input or are not written",
    inputs=(_MASK, InputSpec("x", Kind.MAP, FULL), InputSpec("elsewhere", Kind.MAP, FULL, optional=True)),
    attrs=(REACH, KERNEL, INT8_SCALES),
    weights=WEIGHTS,
    bind=_bind,
    infer=_infer,
    rows=_conv_rows,
    macs=_conv_macs,
    features=_features,
    number_types=NumberTypes(FP32_OR_BF16, FP32_OR_BF16, _same_type_maps),
    in_place=_keeps,
    mask_reach=REACH.of,
)
FOLDED_CONVS = Operation(
    name="folded_convs",
    summary="two conv2d of the image, one after the other, at pixels that are not within reach of active ones",
    inputs=(_MASK, InputSpec("image", Kind.MAP, FULL, IMAGE_CHANNELS)),
    attrs=(REACH,),
    weights=(
        WeightRole("first", ("H", IMAGE_CHANNELS, 3, 3)),
        WeightRole("first_bias", ("H",), optional=True),
        WeightRole("second", ("O", "H", 3, 3)),
        WeightRole("second_bias", ("O",), optional=True),
    ),
    bind=_folded_bind,
    infer=_infer,
    rows=_folded_rows,
    macs=_folded_macs,
    number_types=FP32_ONLY,
    mask_reach=REACH.of,
)


def is_linear_conv3x3(typed: TypedNode) -> bool:
    """Whether a node is a 3x3 convolution of one map and nothing else."""
    node = typed.node
    is_plain = ACTIVATION.of(node) == "none" and not has_addend(node) and len(node.inputs) == 1
    return node.op == CONV2D.name and is_plain and KERNEL.of(node) == 3


def reached(conv: TypedNode, mask: str, reach: int, elsewhere: TypedNode | None = None) -> TypedNode:
    """A convolution that is computed only within ``reach`` of active pixels, over the results of ``elsewhere``."""
    node, others = conv.node, [] if elsewhere is None else [elsewhere]
    inputs = (mask, *node.inputs, *(other.node.output for other in others))
    attrs = {key: value for key, value in node.attrs.items() if key in (KERNEL.name, INT8_SCALES.name)}
    changed = Node(
        REACHED_CONV2D.name, inputs, node.output, {**attrs, REACH.name: reach}, node.weights, node.name
    )
    types = (_mask_type(), *conv.inputs, *(other.output for other in others))
    return TypedNode(changed, types, conv.output, conv.sizes)


def folded(first: TypedNode, second: TypedNode, mask: str, output: str, reach: int) -> TypedNode:
    """Both convolutions in one, for pixels that are more than ``reach`` away from active ones."""
    weights = {
        role + part: tensors[weight]
        for role, tensors in (("first", first.node.weights), ("second", second.node.weights))
        for part, weight in (("", "weight"), ("_bias", "bias"))
        if weight in tensors
    }
    name = f"{first.node.name} and {second.node.name}, folded"
    node = Node(FOLDED_CONVS.name, (mask, *first.node.inputs), output, {REACH.name: reach}, weights, name)
    sizes = {"H": first.output.channels, "O": second.output.channels}
    return TypedNode(node, (_mask_type(), *first.inputs), second.output, sizes)


def _mask_type() -> ValueType:
    return ValueType(Kind.MASK, 1, FULL)
