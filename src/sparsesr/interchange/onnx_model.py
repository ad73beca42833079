"""Conversion of models to ONNX: one input (1, 3, H, W), RGB in 0..1, one output ``scale`` times as large.

Needs the package ``onnx``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sparsesr
from sparsesr.errors import ModelError
from sparsesr.extras import package
from sparsesr.interchange.onnx_builder import INPUT, OUTPUT, OnnxBuilder
from sparsesr.interchange.onnx_rules import RULES
from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.modelfile.padding import Padding, padding_of
from sparsesr.modelfile.spec import Graph, ModelFile
from sparsesr.modelfile.validation import typed_nodes

OPSET = 17
_IR_VERSION = 8  # that of opset 17
_ANY_SIZE = ("height", "width")

Size = tuple[int, int]


def to_onnx(model: ModelFile, size: Size | None = None) -> Any:
    """Build an ``onnx.ModelProto`` of a model for one scale.

    It computes what the native runtime computes, in fp32: images are padded to the model's size by repeating their
    edge, and the result is cropped. Masks become multiplications; a model without them is smaller, see
    :func:`sparsesr.interchange.dense_model.dense_model`.

    Args:
        model: the model.
        size: height and width of the input, if they are fixed; runtimes optimise best for a fixed size. None: any.

    Raises:
        ModelError: an operation has no form in ONNX, or the graph is not valid.
    """
    model = _with_free_ends(model)
    typed = typed_nodes(model.graph, model.tensors)
    padding, build = padding_of(model.facts, typed), OnnxBuilder(model)
    build.image = _padded(build, padding, size)
    for entry in typed:
        _rule(model, entry)(build, entry)
    _cropped(build, model.graph.output, padding, size)
    return _checked(build, size)


def _with_free_ends(model: ModelFile) -> ModelFile:
    """The model, with other names for tensors that are called like the ends of the ONNX graph."""
    names = {INPUT: f"{INPUT}/map", OUTPUT: f"{OUTPUT}/map"}

    def renamed(name: str) -> str:
        return names.get(name, name)

    nodes = tuple(
        replace(node, inputs=tuple(map(renamed, node.inputs)), output=renamed(node.output))
        for node in model.graph.nodes
    )
    return replace(model, graph=Graph(renamed(model.graph.input), renamed(model.graph.output), nodes))


def _rule(model: ModelFile, entry: TypedNode) -> Any:
    rule = RULES.get(entry.node.op)
    if rule is None:
        raise ModelError(
            f"has the operation {entry.node.op}, which has no form in ONNX", where=model.facts.name
        )
    return rule


def _fits(padding: Padding, size: Size | None) -> bool:
    """True if no image, or not the one of this size, is padded."""
    return padding == Padding(1) if size is None else padding.size(*size) == size


def _padded(build: OnnxBuilder, padding: Padding, size: Size | None) -> str:
    if _fits(padding, size):
        return INPUT
    sides, multiple, one = build.sides(INPUT), build.numbers(padding.multiple), build.numbers(1)
    least = build.add("Max", [sides, build.numbers(padding.least_px)])
    whole = build.add("Div", [build.add("Sub", [build.add("Add", [least, multiple]), one]), multiple])
    missing = build.add("Sub", [build.add("Mul", [whole, multiple]), sides])
    pads = build.add("Concat", [build.numbers(*[0] * 6), missing], axis=0)
    return build.add("Pad", [INPUT, pads], mode="edge")


def _cropped(build: OnnxBuilder, result: str, padding: Padding, size: Size | None) -> None:
    if _fits(padding, size):
        build.named(result, OUTPUT)
        return
    ends = build.add("Mul", [build.sides(INPUT), build.numbers(build.model.facts.scale)])
    build.named(build.sliced(result, build.numbers(0, 0), ends, build.numbers(2, 3)), OUTPUT)


def _checked(build: OnnxBuilder, size: Size | None) -> Any:
    """The complete model, after ONNX's own checks."""
    onnx, facts = package("onnx"), build.model.facts
    helper, float_type = onnx.helper, onnx.TensorProto.FLOAT
    outputs = (
        [f"{facts.scale}*{side}" for side in _ANY_SIZE] if size is None else [facts.scale * s for s in size]
    )
    graph = helper.make_graph(
        build.nodes,
        facts.name,
        [helper.make_tensor_value_info(INPUT, float_type, [1, 3, *(size or _ANY_SIZE)])],
        [helper.make_tensor_value_info(OUTPUT, float_type, [1, 3, *outputs])],
        [onnx.numpy_helper.from_array(value, name) for name, value in build.constants.items()],
    )
    opset = [helper.make_opsetid("", OPSET)]
    proto = helper.make_model(graph, opset_imports=opset, ir_version=_IR_VERSION, producer_name="sparsesr")
    proto.producer_version = sparsesr.__version__
    proto.doc_string = facts.description
    about = {
        "name": facts.name,
        "architecture": facts.architecture,
        "scale": facts.scale,
        "license": facts.license,
    }
    helper.set_model_props(proto, {key: str(value) for key, value in about.items()})
    onnx.checker.check_model(proto, full_check=True)
    return proto
