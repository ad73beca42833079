"""A toy operation added as CONTRIBUTING describes: it needs only its entry, its layer and its lowering rules."""

from __future__ import annotations

import numpy as np
import pytest

from graphs import GraphBuilder
from runtime.banding import check_same_bits
from runtime.random_graphs import random_image
from sparsesr.cli.peers import PEERS
from sparsesr.errors import ModelError
from sparsesr.interchange import onnx_rules
from sparsesr.lab.export import graph_module
from sparsesr.lab.export.torch_run import run_torch
from sparsesr.measure.peers.runtimes import open_peers
from sparsesr.modelfile.describe import describe
from sparsesr.modelfile.operations.attributes import ACTIVATION, SLOPE
from sparsesr.modelfile.operations.facts import FP32_OR_BF16, InputSpec, Macs, NumberTypes, WeightRole
from sparsesr.modelfile.operations.operation import Operation
from sparsesr.modelfile.operations.registry import OPERATIONS
from sparsesr.modelfile.operations.value_types import Kind
from sparsesr.modelfile.reader import read_model
from sparsesr.modelfile.spec import Facts, Graph, ModelFile
from sparsesr.modelfile.writer import write_model
from sparsesr.runtime.backend.native.layer import NativeLayer
from sparsesr.runtime.backend.native.layers import LAYERS
from sparsesr.runtime.graph.cost import count_macs
from sparsesr.runtime.graph.receptive_field import halo_px
from sparsesr.runtime.session import Session

# Output pixel = channel gain times the sum of the pixel and the pixels above and below it.
TOY = Operation(
    name="toy_blur",
    summary="gain per channel times the sum over three rows; then the activation",
    inputs=(InputSpec("x", Kind.MAP),),
    infer=lambda node, inputs, sizes: inputs[0],
    attrs=(ACTIVATION, SLOPE),
    weights=(WeightRole("gain", ("C",)), WeightRole("slopes", ("C",), optional=True)),
    bind=lambda node, inputs: {"C": inputs[0].channels},
    rows=lambda node, a, b, index: (a - 1, b + 1),
    macs=lambda typed: Macs(typed.sizes["C"], typed.sizes["C"], typed.output.resolution),
    features=lambda node: node.inputs,
    number_types=NumberTypes(reads=FP32_OR_BF16, writes=frozenset({"f32"})),
    absorbs_activation=lambda node: ACTIVATION.of(node) == "none",
)


class ToyLayer(NativeLayer):
    def __init__(self, entry, weights):
        (self._input,), self._output = entry.node.inputs, entry.node.output
        self._gain, self._channels = weights["gain"], entry.output.channels
        self._is_bf16 = weights.dtype == "bf16"
        self._slopes = weights.get("slopes", np.ones(self._channels, np.float32))

    def __call__(self, state, r0, r1):
        x, x_row0 = state.placed(self._input)
        out, row0 = state.placed(self._output)
        if self._is_bf16:
            x = (x.astype(np.uint32) << 16).view(np.float32)
        rows = x[r0 - 1 - x_row0 : r1 + 1 - x_row0, 1:-1, : self._channels]
        values = (rows[:-2] + rows[1:-1] + rows[2:]) * self._gain
        values = np.where(values < 0, values * self._slopes, values)
        out[r0 - row0 : r1 - row0, 1:-1, : self._channels] = values


def torch_rule(node, inputs, weights):
    import torch

    kernel = weights["gain"].reshape(-1, 1, 1, 1).expand(-1, 1, 3, 1)
    return torch.nn.functional.conv2d(inputs[0], kernel, padding=(1, 0), groups=len(kernel))


def onnx_rule(build, entry):
    (gain,) = build.weights(entry.node, "gain")
    build.constants[gain] = np.repeat(build.constants[gain].reshape(-1, 1, 1, 1), 3, axis=2)
    settings = {"kernel_shape": [3, 1], "pads": [1, 0, 1, 0], "group": len(build.constants[gain])}
    build.add("Conv", [entry.node.inputs[0], gain], entry.node.output, **settings)


@pytest.fixture
def toy(monkeypatch):
    """Registers all parts of the operation and removes them after the test."""
    monkeypatch.setitem(OPERATIONS, TOY.name, TOY)
    monkeypatch.setitem(LAYERS, TOY.name, ToyLayer)
    monkeypatch.setitem(graph_module.RULES, TOY.name, torch_rule)
    monkeypatch.setitem(onnx_rules.RULES, TOY.name, onnx_rule)


def toy_model(prelu: bool = False) -> ModelFile:
    build = GraphBuilder()
    image = build.add("image", (), "image", offset=[0.4, 0.4, 0.4])
    head = build.conv([image], "head", 3, 12, activation="relu")
    blurred = build.add_weighted(TOY.name, [head], "blurred", {"gain": (12,)})
    if prelu:
        shapes = {"slopes": (12,)}
        blurred = build.add_weighted("add", [blurred], "activated", shapes, activation="leaky_relu")
    body = build.conv([blurred, head], "body", 24, 12, activation="relu")
    output = build.add("pixel_shuffle", [build.conv([body], "tail", 12, 12)], "output", scale=2)
    return ModelFile(Facts("toy", "toy", 2), Graph("image", output, tuple(build.nodes)), build.tensors)


@pytest.fixture
def model(toy, tmp_path):
    """The model after writing and reading its file."""
    made = toy_model()
    write_model(tmp_path / "toy.safetensors", made.facts, made.graph, made.tensors)
    return read_model(tmp_path / "toy.safetensors")


def test_files_with_it_are_read_and_described(model):
    assert describe(model)["ops"][TOY.name] == 1
    assert halo_px(model) == 4
    (cost,) = (node for node in count_macs(model, 10, 20).nodes if node.op == TOY.name)
    assert cost.macs == cost.macs_dense == 10 * 20 * 12


def test_it_runs_in_bands_and_in_both_precisions(model):
    image = random_image(37, 21, np.float32, seed=2)
    expected = run_torch(graph_module.graph_module(model), image, 2, 1)
    for emulate, tolerance in ((False, 1e-5), (True, 0.05)):
        session = Session(model, 2, "bf16" if emulate else "fp32", emulate=emulate)
        assert set(session._planner.masked.types) == ({"body"} if emulate else set())
        np.testing.assert_allclose(session.run(image).image, expected, atol=tolerance)
        for low_memory in (False, True):
            check_same_bits(session, session, 37, 21, False, band_rows=5, low_memory=low_memory)
    layers = {layer.op: layer for layer in Session(model, 1).run(image).stats.layers}
    assert layers[TOY.name].macs == 37 * 21 * 12


def test_it_fuses_an_activation(toy):
    model, image = toy_model(prelu=True), random_image(9, 13, np.float32, seed=3)
    session = Session(model, 1)
    assert "add" not in {layer.op for layer in session.run(image).stats.layers}
    expected = run_torch(graph_module.graph_module(model), image, 2, 1)
    np.testing.assert_allclose(session.run(image).image, expected, atol=1e-5)


def test_a_peer_runs_it(model):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    image = random_image(9, 13, np.uint8, seed=3)
    peer, *_ = open_peers([PEERS["onnxruntime"]], model, image, threads=1)
    expected = Session(model, 1).run(image, out_dtype=np.float32).image
    np.testing.assert_allclose(peer.run()[0].transpose(1, 2, 0), expected, atol=1e-5)


def test_nothing_of_it_remains(tmp_path):
    made = toy_model()
    with pytest.raises(ModelError, match="unknown op"):
        write_model(tmp_path / "toy.safetensors", made.facts, made.graph, made.tensors)
    assert TOY.name not in {*LAYERS, *graph_module.RULES, *onnx_rules.RULES}
