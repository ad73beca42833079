"""Fusion of activations into convolutions: which are fused, and that nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

from graphs import GraphBuilder
from runtime.random_graphs import random_image, slopes_per_channel
from sparsesr import _native
from sparsesr.modelfile.spec import Facts, Graph, ModelFile
from sparsesr.modelfile.validation import type_graph
from sparsesr.runtime.graph import prepared
from sparsesr.runtime.graph.cost import count_macs
from sparsesr.runtime.graph.fusion import with_fused_activations
from sparsesr.runtime.session import Session

MODEL = slopes_per_channel()


def typed(model):
    return type_graph(model.graph, {name: tensor.shape for name, tensor in model.tensors.items()})


def not_fused(model, monkeypatch, *arguments, **options) -> Session:
    with monkeypatch.context() as patch:
        patch.setattr(prepared, "with_fused_activations", lambda typed, output: typed)
        return Session(model, *arguments, **options)


def test_only_activations_that_convolutions_support_are_fused():
    fused = with_fused_activations(typed(MODEL), MODEL.graph.output)
    left = [entry.node.output for entry in fused if entry.node.op == "add"]
    assert left == ["h_own", "twice_own", "read_own", "sum_own"]
    taken = {entry.node.output: entry.node for entry in fused if "slopes" in entry.node.weights}
    assert set(taken) - set(left) == {"f", "g", "few", "a", "b", "c", "tail"}
    assert {taken[name].op for name in ("a", "b", "c")} == {"masked_conv2d"}
    assert taken["g"].name == "conv_g" and taken["g"].attrs["activation"] == "leaky_relu"
    assert next(e.node for e in fused if e.node.output == "relu").attrs["activation"] == "relu"


def test_the_result_keeps_its_name():
    """An activation that is the result may be fused; a convolution that is the result is left alone."""
    build = GraphBuilder()
    image = build.add("image", (), "image")
    build.add("add", [build.conv([image], "conv", 3, 3)], "late", activation="relu")
    facts = Facts(name="plain", architecture="plain", scale=1)
    for output, expected in (("late", ["image", "late"]), ("conv", ["image", "conv", "late"])):
        model = ModelFile(facts, Graph("image", output, tuple(build.nodes)), build.tensors)
        assert [e.node.output for e in with_fused_activations(typed(model), output)] == expected
        image_HW3 = random_image(5, 6)
        values = Session(model, 1).run(image_HW3).image
        assert (values < 0).any() == (output == "conv")


@pytest.fixture(params=_native.cpu_features())
def isa(request):
    """Each instruction set of this machine."""
    before = _native.set_cpu(request.param)
    yield request.param
    _native.set_cpu(before)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("dense", [False, True])
def test_no_bit_changes_in_fp32(dense, monkeypatch):
    image = random_image(22, 27, seed=4)
    one, other = Session(MODEL, 2), not_fused(MODEL, monkeypatch, 2)
    assert len(other._planner.masked.typed) - len(one._planner.masked.typed) == 8
    expected = other.run(image, dense=dense, keep_masks=True)
    result = one.run(image, dense=dense, keep_masks=True)
    np.testing.assert_array_equal(result.image, expected.image)
    assert 0.02 < np.mean(result.masks) < 0.98 or dense


@pytest.mark.usefixtures("isa")
def test_fused_activations_can_run_in_bf16(monkeypatch):
    """So can separate ``add`` nodes, with the same rounding but for the maps in between."""
    image = random_image(22, 27, seed=4)
    one = Session(MODEL, 1, "bf16", emulate=True)
    in_bf16 = set(one._planner.masked.types)
    assert {"f", "g", "h_own", "relu", "b"} <= in_bf16 and not {"few", "tail"} & in_bf16
    separate = not_fused(MODEL, monkeypatch, 1, "bf16", emulate=True)
    assert in_bf16 < set(separate._planner.masked.types)
    exact = Session(MODEL, 1).run(image, dense=True).image
    error = np.abs(one.run(image, dense=True).image - exact).max()
    assert 0 < error < 0.05 * np.abs(exact).max()


def test_layers_keep_names_densities_and_multiply_adds():
    image = random_image(20, 24)
    for dense in (False, True):
        stats = Session(MODEL, 1).run(image, dense=dense).stats
        cost = count_macs(MODEL, 20, 24, stats.densities)
        counted = {node.name: (node.op, node.macs_dense, node.macs) for node in cost.nodes if node.macs}
        layers = {x.name: (x.op, x.macs_dense, x.macs) for x in stats.layers if x.macs}
        assert layers == {name: known for name, known in counted.items() if name in layers}
        assert set(counted) - set(layers) == ({"logits"} if dense else set())
        by_name = {layer.name: layer for layer in stats.layers}
        assert by_name["conv_a"].density == by_name["conv_c"].density == stats.densities["mask"]
        assert by_name["conv_g"].density is None and "g" not in by_name
        assert all(layer.ms > 0 for layer in stats.layers)
