"""Validation of facts and graph, run by reader and writer before they touch a tensor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sparsesr.errors import ModelError
from sparsesr.limits import ModelLimits
from sparsesr.modelfile.gain_table import check_tables
from sparsesr.modelfile.json_fields import shown
from sparsesr.modelfile.operations.attributes import INT8_SCALES
from sparsesr.modelfile.operations.registry import OPERATIONS, feature_inputs, operation_of
from sparsesr.modelfile.operations.value_types import (
    FULL,
    IMAGE_CHANNELS,
    Kind,
    Resolution,
    TypedNode,
    ValueType,
)
from sparsesr.modelfile.precision_cost import REDUCED_PRECISIONS, check_costs
from sparsesr.modelfile.spec import Facts, Graph, Node, scales_of

Shapes = Mapping[str, tuple[int, ...]]

_MODEL_NAME = re.compile(r"[a-z0-9_.-]{1,64}")
_TENSOR_NAME = re.compile(r"[A-Za-z0-9_./-]{1,200}")
_MAX_TEXT = 10_000


def is_model_name(name: str) -> bool:
    """Return True for 1 to 64 of ``a-z 0-9 _ . -`` that do not start with a dot or a dash."""
    return _MODEL_NAME.fullmatch(name) is not None and name[0] not in ".-"


def check_model(facts: Facts, graph: Graph, shapes: Shapes, limits: ModelLimits) -> tuple[TypedNode, ...]:
    """Check everything about a model except the values of its tensors.

    Args:
        facts: facts of the model.
        graph: the network.
        shapes: shape of every stored tensor.
        limits: size limits.

    Returns:
        The nodes with their types.

    Raises:
        ModelError: the model is not valid; one line that names the node.
    """
    _check_facts(facts, limits)
    for precision in REDUCED_PRECISIONS:
        check_costs(precision, facts.costs(precision), scales_of(facts, graph))
    check_tables(facts.gain_tables, scales_of(facts, graph))
    typed = type_graph(graph, shapes)
    _check_sizes(typed, facts, limits)
    _check_outputs(typed, graph, facts.scale, limits)
    _check_int8_scales(typed)
    _check_all_used(graph, shapes)
    return typed


def type_graph(graph: Graph, shapes: Shapes) -> tuple[TypedNode, ...]:
    """Check every node against its op's entry and infer the type of every tensor.

    Raises:
        ModelError: a node is not valid, or reads what no earlier node produces.
    """
    types: dict[str, ValueType] = {}
    typed: list[TypedNode] = []
    for node in graph.nodes:
        try:
            typed.append(_type_node(node, types, shapes))
        except ModelError as error:
            raise ModelError(f"node {shown(node.name)} ({shown(node.op)[1:-1]}): {error}") from None
        types[node.output] = typed[-1].output
    return tuple(typed)


def typed_nodes(graph: Graph, tensors: Mapping[str, Any]) -> tuple[TypedNode, ...]:
    """As :func:`type_graph`, with the shapes of these tensors, of numpy or torch."""
    return type_graph(graph, {name: tensor.shape for name, tensor in tensors.items()})


def _type_node(node: Node, types: Mapping[str, ValueType], shapes: Shapes) -> TypedNode:
    entry = OPERATIONS.get(node.op)
    if entry is None:
        raise ModelError(
            f"unknown op; the {len(OPERATIONS)} of this sparsesr are in docs/model-file.md, a newer one may know it"
        )
    for name in (node.name, node.output):
        if not _TENSOR_NAME.fullmatch(name):
            raise ModelError(f"{shown(name)} is not a valid name (1 to 200 letters, digits, _ . / -)")
    if node.output in types:
        raise ModelError(f"output {shown(node.output)} is already produced by an earlier node")
    missing = [name for name in node.inputs if name not in types]
    if missing:
        raise ModelError(f"reads {shown(missing[0])}, which no earlier node produces")
    return entry.type_node(node, [types[name] for name in node.inputs], shapes)


def _check_facts(facts: Facts, limits: ModelLimits) -> None:
    if not is_model_name(facts.name):
        raise ModelError(f"name {shown(facts.name)} is not 1 to 64 of a-z 0-9 _ . -")
    for key in ("architecture", "license", "description"):
        value: str = getattr(facts, key)
        if len(value) > _MAX_TEXT or not value.replace("\n", "").isprintable():
            raise ModelError(f"{key} is too long or holds control characters")
    _check_range("scale", facts.scale, 1, limits.max_scale)
    _check_range("size_multiple", facts.size_multiple, 1, limits.max_size_multiple)
    _check_range("parameters", facts.parameters, 0, limits.max_file_bytes)
    if facts.value_range <= 0:
        raise ModelError("value_range must be positive")


def _check_range(key: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ModelError(f"{key} {value} is not in {low}..{high}")


def _check_sizes(typed: tuple[TypedNode, ...], facts: Facts, limits: ModelLimits) -> None:
    """Check channels and resolutions against the limits and the facts."""
    for entry in typed:
        node = entry.node
        if entry.output.channels > limits.max_channels:
            raise ModelError(f"node {shown(node.name)} has {entry.output.channels} channels, over the limit")
        resolution = entry.output.resolution or FULL
        if resolution.up > limits.max_scale:
            raise ModelError(f"node {shown(node.name)} is at {resolution} resolution, over the limit")
        if operation_of(node).upscales:
            _check_divides(entry, facts.size_multiple)


def _check_divides(entry: TypedNode, multiple: int) -> None:
    """A map that is upscaled again must not have lost a row or column when it was downscaled."""
    resolution = entry.inputs[0].resolution or FULL
    if multiple % resolution.down:
        raise ModelError(
            f"node {shown(entry.node.name)} upscales a map at {resolution} resolution, but size_multiple"
            f" {multiple} is no multiple of {resolution.down}"
        )


def _check_outputs(typed: tuple[TypedNode, ...], graph: Graph, scale: int, limits: ModelLimits) -> None:
    images = [entry.node.output for entry in typed if operation_of(entry.node).is_source]
    if images != [graph.input]:
        raise ModelError(f"graph input {shown(graph.input)} is not the output of the only image node")
    if scale in graph.more_outputs:
        raise ModelError(f"has two outputs for x{scale}")
    results = {entry.node.output: entry.output for entry in typed}
    for factor, output in {scale: graph.output, **graph.more_outputs}.items():
        _check_range("scale", factor, 1, limits.max_scale)
        if results.get(output) != ValueType(Kind.MAP, IMAGE_CHANNELS, Resolution(factor)):
            raise ModelError(
                f"graph output {shown(output)} is not an image of {IMAGE_CHANNELS} channels, upscaled x{factor}"
            )


def _check_int8_scales(typed: tuple[TypedNode, ...]) -> None:
    """A map has one scale, whichever layer reads it."""
    found: dict[str, float] = {}
    for entry in typed:
        scales = INT8_SCALES.of(entry.node)
        for name, scale in zip(feature_inputs(entry.node), scales, strict=False):
            if found.setdefault(name, scale) != scale:
                raise ModelError(
                    f"node {shown(entry.node.name)} has another int8 scale for {shown(name)} than others"
                )


def _check_all_used(graph: Graph, shapes: Shapes) -> None:
    """Check that every tensor of the graph is read and every stored one belongs to a node."""
    read = {name for node in graph.nodes for name in node.inputs}
    read |= {graph.output, *graph.more_outputs.values()}
    dead = [node for node in graph.nodes if node.output not in read]
    if dead:
        raise ModelError(f"output {shown(dead[0].output)} of node {shown(dead[0].name)} is never used")
    unused = set(shapes) - {tensor for node in graph.nodes for tensor in node.weights.values()}
    if unused:
        raise ModelError(f"tensor {shown(min(unused))} belongs to no node")
