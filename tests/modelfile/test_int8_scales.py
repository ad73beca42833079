"""Scales for int8 in model files: stored, one per map, and checked in files that nobody vouches for."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest

import graphs
from sparsesr.errors import ModelError
from sparsesr.limits import ModelLimits
from sparsesr.modelfile.describe import describe
from sparsesr.modelfile.operations.attributes import INT8_SCALES
from sparsesr.modelfile.operations.registry import feature_inputs
from sparsesr.modelfile.reader import parse_description, read_model
from sparsesr.modelfile.writer import encode_model, write_model

MODEL = graphs.smsr(channels=8, modules=1, layers=2)


def scaled(scale_of):
    """The model with a scale for the maps that `scale_of` has one for."""
    nodes = []
    for node in MODEL.graph.nodes:
        scales = [scale_of.get(name) for name in feature_inputs(node)]
        if node.op in ("conv2d", "masked_conv2d") and all(scales):
            node = replace(node, attrs={**node.attrs, INT8_SCALES.name: scales})
        nodes.append(node)
    return replace(MODEL, graph=replace(MODEL.graph, nodes=tuple(nodes)))


def test_round_trip(tmp_path):
    model = scaled({"head.0": 0.125, "head.2": 0.0625})
    write_model(tmp_path / "m.safetensors", model.facts, model.graph, model.tensors)
    read = read_model(tmp_path / "m.safetensors")
    assert read.graph == model.graph
    assert describe(read)["int8_layers"] == 3  # head.2, the mask head and the first masked layer
    for name, tensor in MODEL.tensors.items():
        np.testing.assert_array_equal(read.tensors[name], tensor)


def test_a_map_has_one_scale():
    model = scaled({"head.2": 0.125})
    nodes = list(model.graph.nodes)
    last = max(i for i, node in enumerate(nodes) if INT8_SCALES.of(node))
    nodes[last] = replace(nodes[last], attrs={**nodes[last].attrs, INT8_SCALES.name: [0.25]})
    with pytest.raises(ModelError, match=r"another int8 scale for 'head\.2'"):
        encode_model(model.facts, replace(model.graph, nodes=tuple(nodes)), model.tensors)


@pytest.mark.parametrize("scale", [b"NaN", b"Infinity", b"0", b"-1", b"1e99", b'"x"', b"null", b"true"])
def test_untrusted_scales_are_refused(scale):
    model = scaled({"head.0": 0.12345})
    data = encode_model(model.facts, model.graph, model.tensors)
    assert data.count(b"0.12345") == 1
    damaged = data.replace(b"0.12345", scale.ljust(7))
    with pytest.raises(ModelError):
        parse_description(io.BytesIO(damaged), len(damaged), ModelLimits())
