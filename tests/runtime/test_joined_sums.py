"""Sums of several convolutions, joined into one where they multiply quantised maps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from graphs import smsr
from runtime.int8_models import with_int8
from runtime.random_graphs import random_image
from sparsesr.modelfile.operations.attributes import ACCUMULATE, ACTIVATION, INT8_SCALES
from sparsesr.modelfile.spec import ModelFile
from sparsesr.runtime.graph.joined_sums import with_joined_int8_sums
from sparsesr.runtime.session import Session

MODEL = with_int8(smsr(16, modules=3, layers=2, seed=1))
CHAIN = ["collect.0.0", "collect.0.1", "collect.0.2"]
IMAGE = random_image(24, 20, np.float32, seed=3)


def without_scales(model: ModelFile, output: str) -> ModelFile:
    nodes = tuple(
        replace(node, attrs={k: v for k, v in node.attrs.items() if k != INT8_SCALES.name})
        if node.output == output
        else node
        for node in model.graph.nodes
    )
    return replace(model, graph=replace(model.graph, nodes=nodes))


def outputs(model: ModelFile) -> list[str]:
    return [node.output for node in model.graph.nodes if node.output in CHAIN]


def test_a_chain_becomes_one_convolution():
    joined = with_joined_int8_sums(MODEL)
    assert outputs(joined) == CHAIN[-1:]
    (node,) = (node for node in joined.graph.nodes if node.output == CHAIN[-1])
    links = [node for node in MODEL.graph.nodes if node.output in CHAIN]
    assert node.inputs == ("body.0", "body.1", "body.2")
    assert INT8_SCALES.of(node) == [INT8_SCALES.of(link)[0] for link in links]
    assert not ACCUMULATE.of(node) and ACTIVATION.of(node) == "relu"
    weights = [MODEL.tensors[link.weights["weight"]] for link in links]
    assert np.array_equal(joined.tensors[node.weights["weight"]], np.concatenate(weights, axis=1))


def test_the_sum_is_the_same():
    joined = with_joined_int8_sums(MODEL)
    exact, again = (Session(model, 1).run(IMAGE, dense=True).image for model in (MODEL, joined))
    np.testing.assert_allclose(again, exact, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("output", "left"), [(CHAIN[0], CHAIN), (CHAIN[1], CHAIN), (CHAIN[2], CHAIN[1:])])
def test_only_links_with_scales_are_joined(output, left):
    assert outputs(with_joined_int8_sums(without_scales(MODEL, output))) == left


@pytest.mark.parametrize(
    ("precision", "rest", "left"),
    [("int8", "fp32", CHAIN[-1:]), ("int8", "bf16", CHAIN), ("fp32", None, CHAIN)],
)
def test_copies_replace_the_sum_unless_it_is_small(precision, rest, left):
    session = Session(MODEL, 1, precision, rest=rest, emulate=True)
    layers = [layer.name for layer in session.run(IMAGE).stats.layers]
    assert [name for name in layers if name in CHAIN] == left


def test_no_more_maps_are_joined_than_kernels_read():
    model = with_int8(smsr(16, modules=18, layers=1, seed=1))
    joined = with_joined_int8_sums(model)
    sums = [node for node in joined.graph.nodes if node.output.startswith("collect.0.")]
    assert [len(node.inputs) for node in sums] == [16, 2, 2]
    assert Session(model, 1, "int8", rest="fp32", emulate=True).run(IMAGE).image.shape == (48, 40, 3)
