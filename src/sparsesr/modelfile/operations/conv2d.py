"""Convolutions at every pixel."""

from __future__ import annotations

from collections.abc import Sequence

from sparsesr.errors import ModelError
from sparsesr.modelfile.balanced import Pattern
from sparsesr.modelfile.operations.attributes import (
    ACCUMULATE,
    ACTIVATION,
    BALANCED,
    INT8_SCALES,
    KERNEL,
    RESIDUAL,
    SLOPE,
)
from sparsesr.modelfile.operations.facts import (
    FP32_OR_BF16,
    InputSpec,
    Macs,
    NumberTypes,
    Rows,
    Sizes,
    WeightRole,
)
from sparsesr.modelfile.operations.operation import Operation
from sparsesr.modelfile.operations.shared_rules import check_int8_scales, concat_channels
from sparsesr.modelfile.operations.value_types import Kind, TypedNode, ValueType
from sparsesr.modelfile.spec import Node

WEIGHTS = (WeightRole("weight", ("O", "I", "k", "k")), WeightRole("bias", ("O",), optional=True))


def has_addend(node: Node) -> bool:
    """Return True if the last input is added to the result instead of convolved."""
    return bool(RESIDUAL.of(node) or ACCUMULATE.of(node))


def feature_inputs(node: Node) -> tuple[str, ...]:
    """Return the inputs that are concatenated and convolved."""
    return node.inputs[: len(node.inputs) - has_addend(node)]


def balance_of(node: Node) -> Pattern | None:
    """Return the pattern of a convolution's weight; None where any weight may be nonzero.

    Raises:
        ModelError: the attribute is no pattern.
    """
    numbers = BALANCED.of(node)
    if not numbers:
        return None
    if len(numbers) != 2:
        raise ModelError("attribute balanced must be the weights kept and the inputs of a block")
    return Pattern(*numbers)


def kept_inputs(node: Node, channels: int) -> int:
    """Multiply-adds of one output with ``channels`` consecutive inputs at one tap, a last partial block at most."""
    pattern = balance_of(node)
    if pattern is None:
        return channels
    blocks, rest = divmod(channels, pattern.block)
    return blocks * pattern.keep + min(rest, pattern.keep)


def check_balance(node: Node, features: Sequence[ValueType]) -> None:
    """Raise ModelError unless balanced blocks fill the channels of every feature input."""
    pattern = balance_of(node)
    if pattern is not None:
        for feature in features:
            pattern.check_channels(feature.channels)


def conv_bind(node: Node, inputs: Sequence[ValueType]) -> Sizes:
    """Input channels without the addend, and kernel side."""
    if RESIDUAL.of(node) and ACCUMULATE.of(node):
        raise ModelError("cannot have both residual and accumulate")
    features = inputs[: len(inputs) - has_addend(node)]
    return feature_sizes(node, features)


def feature_sizes(node: Node, features: Sequence[ValueType]) -> Sizes:
    """Input channels and kernel side of a convolution of these maps; ModelError if its attributes do not fit them."""
    check_int8_scales(node, features)
    check_balance(node, features)
    return {"I": concat_channels(features), "k": KERNEL.of(node)}


def conv_infer(node: Node, inputs: Sequence[ValueType], sizes: Sizes) -> ValueType:
    """Type of the output; the addend must have the same."""
    output = ValueType(Kind.MAP, sizes["O"], inputs[0].resolution)
    if has_addend(node) and inputs[-1] != output:
        raise ModelError(f"adds a {inputs[-1]} to a {output}")
    return output


def conv_rows(node: Node, a: int, b: int, index: int) -> Rows:
    """A 3x3 kernel reads one more row on each side; the addend's rows are the output's."""
    is_addend = has_addend(node) and index == len(node.inputs) - 1
    reach = 0 if is_addend else KERNEL.of(node) // 2
    return a - reach, b + reach


def conv_macs(typed: TypedNode) -> Macs:
    """Every output pixel costs the same; weights that a balanced pattern leaves out cost nothing."""
    sizes = typed.sizes
    macs = kept_inputs(typed.node, sizes["I"]) * sizes["O"] * sizes["k"] ** 2
    return Macs(macs, macs, typed.output.resolution)


def _same_type_maps(node: Node) -> Sequence[Sequence[str]]:
    added = [(node.inputs[-1], node.output)] if has_addend(node) else []
    return [feature_inputs(node), *added]


def _in_place(node: Node, index: int) -> bool:
    """The addend is read pixel by pixel."""
    return has_addend(node) and index == len(node.inputs) - 1


def absorbs_activation(node: Node) -> bool:
    """Return True if an activation can be fused: kernels apply one, before the residual."""
    return ACTIVATION.of(node) == "none" and not RESIDUAL.of(node)


CONV2D = Operation(
    name="conv2d",
    summary="convolution of the concatenated inputs, stride 1, zero padding; residual adds the last "
    "input after the activation, accumulate before it",
    inputs=(InputSpec("x", Kind.MAP, repeats=True),),
    attrs=(KERNEL, ACTIVATION, SLOPE, RESIDUAL, ACCUMULATE, BALANCED, INT8_SCALES),
    weights=WEIGHTS,
    bind=conv_bind,
    infer=conv_infer,
    rows=conv_rows,
    macs=conv_macs,
    features=feature_inputs,
    number_types=NumberTypes(FP32_OR_BF16, FP32_OR_BF16, _same_type_maps),
    in_place=_in_place,
    absorbs_activation=absorbs_activation,
)
