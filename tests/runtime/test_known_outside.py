"""Maps that are constant at inactive pixels: which readers know the constants, and that no bit changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from graphs import smsr
from runtime.random_graphs import random_image
from sparsesr.modelfile.spec import ModelFile, Node
from sparsesr.runtime.graph.prepared import prepare
from sparsesr.runtime.session import Session

KNOWN = {"mean_outside_mask", "scale_add_outside_mask"}
CONSTANT = smsr(16, modules=3, layers=2, seed=2, dense_out=[[0, 0], [4, 0], [0, 0]])
"""All but the second module compute nothing at inactive pixels."""


def with_read_maps(model: ModelFile) -> ModelFile:
    """The model with a second reader of the map that ends each module, whose result nobody needs."""
    readers = [
        Node("avg_pool2x2", (node.output,), f"{node.output}.half")
        for node in model.graph.nodes
        if node.output.endswith(".collect")
    ]
    return replace(model, graph=replace(model.graph, nodes=(*model.graph.nodes, *readers)))


def without_bias(model: ModelFile) -> ModelFile:
    nodes = tuple(
        replace(node, weights={"weight": node.weights["weight"]}, attrs={**node.attrs, "dense_out": 0})
        if node.output.endswith(".collect") and not any(node.attrs["dense_in"])
        else node
        for node in model.graph.nodes
    )
    used = {name for node in nodes for name in node.weights.values()}
    tensors = {name: tensor for name, tensor in model.tensors.items() if name in used}
    return replace(model, graph=replace(model.graph, nodes=nodes), tensors=tensors)


def known(model: ModelFile) -> list[str]:
    return [entry.node.output for entry in prepare(model)[0].typed if entry.node.op in KNOWN]


def test_only_maps_that_are_constant_and_have_no_other_readers():
    assert known(CONSTANT) == ["body.0.mean", "body.0", "body.2.mean", "body.2"]
    assert known(without_bias(CONSTANT)) == known(CONSTANT)
    assert known(with_read_maps(CONSTANT)) == []
    assert not any(entry.node.op in KNOWN for entry in prepare(CONSTANT)[1].typed), "a dense run has no masks"


@pytest.mark.parametrize("make", [lambda model: model, without_bias])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("low_memory", [False, True])
def test_no_bit_changes(make, precision: str, low_memory: bool):
    model, image = make(CONSTANT), random_image(40, 46)
    expected = Session(with_read_maps(model), 1, precision, emulate=True).run(image, keep_masks=True)
    assert 0.05 < np.mean(expected.masks) < 0.95
    session = Session(model, 2, precision, emulate=True)
    for _ in range(2):  # the second time in buffers that hold other values
        for rows in (None, 3):
            found = session.run(image, band_rows=rows, low_memory=low_memory)
            np.testing.assert_array_equal(found.image, expected.image)
            session.run(random_image(40, 46, seed=9) if rows else image[::-1].copy())


def test_plans_keep_a_mask_until_its_last_reader():
    """The scaled sum belongs to the next segment, which has a mask of its own."""
    image = random_image(24, 30)
    for effort in (0.0, 1.0):
        found = Session(CONSTANT, 2).run(image, effort=effort)
        expected = Session(with_read_maps(CONSTANT), 1).run(image, effort=effort)
        np.testing.assert_array_equal(found.image, expected.image)
