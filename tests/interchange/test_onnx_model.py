"""ONNX files compute what the native runtime computes: every operation, masks kept or dropped, any size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import graphs
from runtime.int8_models import with_int8
from runtime.random_graphs import one_of_each, random_image
from sparsesr.errors import ModelError
from sparsesr.interchange import onnx_rules
from sparsesr.interchange.dense_model import dense_model
from sparsesr.interchange.onnx_model import OPSET, to_onnx
from sparsesr.modelfile import catalogue
from sparsesr.modelfile.operations.registry import OPERATIONS
from sparsesr.modelfile.spec import Facts, Graph, ModelFile, Node
from sparsesr.runtime.session import Session
from support.onnx_runs import opened as opened_bytes
from support.onnx_runs import run_onnx as run
from support.tiny_models import photo, tiny

onnx = pytest.importorskip("onnx")

GRAPHS = one_of_each() | {"smsr": graphs.smsr(16, modules=3, layers=3, seed=4), "named": tiny(3)}
SIZES = [(24, 20), (17, 31), (1, 1), (2, 9)]


def opened(proto):
    return opened_bytes(proto.SerializeToString())


def check(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-4 * max(1.0, np.abs(expected).max()), rtol=0)


@pytest.mark.parametrize("keeps_masks", [True, False], ids=["masks", "dense"])
@pytest.mark.parametrize("name", GRAPHS)
def test_one_file_serves_every_size(name, keeps_masks):
    model = GRAPHS[name]
    session = opened(to_onnx(model if keeps_masks else dense_model(model)))
    for height, width in SIZES:
        image = random_image(height, width, seed=height)
        check(run(session, image), Session(model, 1).run(image, dense=not keeps_masks).image)


@pytest.mark.parametrize("name", ["one", "int/1", "Conv/3", "input", "unfold/4"])
def test_any_name_in_a_model_is_free_in_the_file(name):
    model = GRAPHS["smsr"]
    old = model.graph.nodes[1].output

    def renamed(node):
        inputs = tuple(name if each == old else each for each in node.inputs)
        return replace(node, inputs=inputs, output=name if node.output == old else node.output)

    other = replace(model, graph=replace(model.graph, nodes=tuple(map(renamed, model.graph.nodes))))
    image = random_image(9, 13)
    check(run(opened(to_onnx(other)), image), Session(model, 1).run(image).image)


def test_a_tensor_may_be_slopes_here_and_a_bias_there():
    """And a sum of one map, without anything done to it, leaves that map to others."""
    build = graphs.GraphBuilder()
    image = build.add("image", (), "image")
    first = build.conv([image], "first", 3, 12)
    same = build.add("add", [first], "same")
    slopes = {"slopes": "first.bias"}
    build.nodes.append(Node("add", (same, first), "bent", {"activation": "leaky_relu"}, slopes))
    last = build.add_weighted("conv2d", ["bent"], "last", {"weight": (12, 12, 1, 1)}, kernel=1)
    build.nodes[-1].weights["bias"] = "first.bias"
    output = build.add("pixel_shuffle", [last], "output", scale=2)
    facts = Facts(name="shared", architecture="shared", scale=2)
    model = ModelFile(facts, Graph("image", output, tuple(build.nodes)), build.tensors)
    image = random_image(9, 13)
    check(run(opened(to_onnx(model)), image), Session(model, 1).run(image).image)


@pytest.mark.parametrize("size", [(16, 24), (9, 13)], ids=str)
def test_a_fixed_size_is_declared(size):
    model = GRAPHS["smsr"]
    proto = to_onnx(model, size)
    assert [d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim] == [1, 3, *size]
    assert [d.dim_value for d in proto.graph.output[0].type.tensor_type.shape.dim] == [
        *(1, 3),
        *(2 * s for s in size),
    ]
    assert ("Pad" in {n.op_type for n in proto.graph.node if "edge" in str(n)}) == (size == (9, 13))
    image = photo(*size, dtype="float32")
    check(run(opened(proto), image), Session(model, 1).run(image).image)


def test_the_form_is_what_other_programs_expect():
    """One input and one output of fp32, opset 17 or older, and no operators outside ONNX."""
    proto = to_onnx(dense_model(GRAPHS["smsr"]))
    assert len(proto.graph.input) == len(proto.graph.output) == 1
    kinds = {value.type.tensor_type.elem_type for value in (*proto.graph.input, *proto.graph.output)}
    assert kinds == {onnx.TensorProto.FLOAT}
    assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", OPSET)] and OPSET <= 17
    assert {node.domain for node in proto.graph.node} == {""}
    about = {entry.key: entry.value for entry in proto.metadata_props}
    assert about["scale"] == "2" and about["license"] == "MIT"


def test_masks_multiply():
    """Inactive pixels are decided by the file itself: kept masks change the result, dropped ones are gone."""
    model, image = graphs.smsr(16, modules=2, seed=1), random_image(20, 22, seed=5)
    kept, dropped = opened(to_onnx(model)), opened(to_onnx(dense_model(model)))
    assert np.abs(run(kept, image) - run(dropped, image)).max() > 1e-2
    operators = {node.op_type for node in to_onnx(dense_model(model)).graph.node}
    assert not {"Greater", "ConvTranspose", "AveragePool"} & operators


def test_scales_for_int8_change_nothing():
    model, image = graphs.smsr(16, modules=2, seed=1), random_image(20, 22, seed=5)
    results = [run(opened(to_onnx(dense_model(form))), image) for form in (model, with_int8(model))]
    np.testing.assert_array_equal(*results)


def test_every_operation_has_a_rule():
    assert set(onnx_rules.RULES) == set(OPERATIONS)


def test_an_operation_without_a_rule_is_named(monkeypatch):
    monkeypatch.delitem(onnx_rules.RULES, "pixel_shuffle")
    with pytest.raises(
        ModelError, match="plain_x2: has the operation pixel_shuffle, which has no form in ONNX"
    ):
        to_onnx(graphs.plain())


def test_tensors_may_be_called_like_the_ends():
    model = graphs.plain()
    names = {"image": "output", "head": "input", "output": "image"}
    nodes = tuple(
        replace(
            node,
            inputs=tuple(names.get(i, i) for i in node.inputs),
            output=names.get(node.output, node.output),
        )
        for node in model.graph.nodes
    )
    swapped = replace(model, graph=replace(model.graph, input="output", output="image", nodes=nodes))
    image = random_image(7, 9)
    check(run(opened(to_onnx(swapped)), image), Session(model, 1).run(image).image)


@pytest.mark.parametrize("name", [entry.name for entry in catalogue._bundled_models()])
def test_bundled_models_agree_with_our_runs(name):
    model, image = catalogue.load(name), photo(46, 61, dtype="float32", seed=3)
    for form, dense in ((model, False), (dense_model(model), True)):
        check(run(opened(to_onnx(form)), image), Session(model, 1).run(image, dense=dense).image)


def test_tiles_joined_by_another_program():
    """A static tile with a halo, as darktable and others run such files, gives the whole image's result."""
    model, image, tile, halo = graphs.plain(), photo(40, 56, dtype="float32"), 24, 4
    session, core = opened(to_onnx(model, (tile, tile))), 24 - 2 * 4
    padded = np.pad(image, ((halo, halo + tile), (halo, halo + tile), (0, 0)), mode="edge")
    result = np.zeros((80, 112, 3), np.float32)
    for y in range(0, 40, core):
        for x in range(0, 56, core):
            upscaled = run(session, padded[y : y + tile, x : x + tile])[
                2 * halo : -2 * halo, 2 * halo : -2 * halo
            ]
            place = result[2 * y : 2 * (y + core), 2 * x : 2 * (x + core)]
            place[:] = upscaled[: place.shape[0], : place.shape[1]]
    whole = Session(model, 1).run(image).image
    inside = np.s_[2 * halo : -2 * halo, 2 * halo : -2 * halo]
    np.testing.assert_allclose(result[inside], whole[inside], atol=1e-4)


@pytest.mark.parametrize("keeps_masks", [True, False], ids=["masks", "dense"])
def test_openvino_reads_the_file(keeps_masks):
    openvino = pytest.importorskip("openvino")
    model, image = GRAPHS["smsr"], photo(17, 30, dtype="float32")
    proto = to_onnx(model if keeps_masks else dense_model(model))
    network = openvino.Core().read_model(proto.SerializeToString(), b"")
    run_on_cpu = openvino.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = run_on_cpu([image.transpose(2, 0, 1)[None]])[0][0].transpose(1, 2, 0)
    check(found, Session(model, 1).run(image, dense=not keeps_masks).image)
