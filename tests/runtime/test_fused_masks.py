"""Masks and the logits before them: which are fused, and that the masks are those of the logits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from graphs import smsr
from runtime.random_graphs import random_image
from sparsesr.modelfile.spec import ModelFile, Node
from sparsesr.runtime.graph.prepared import fused_graph, prepare
from sparsesr.runtime.session import Session

MODEL = smsr(16, modules=2, layers=2, seed=5)


def with_read_logits(model: ModelFile) -> ModelFile:
    """The model with a second reader of the logits of each mask, whose result nobody needs."""
    readers = [
        Node("add", (node.inputs[0],), f"{node.output}.copy")
        for node in model.graph.nodes
        if node.op == "spatial_mask"
    ]
    return replace(model, graph=replace(model.graph, nodes=(*model.graph.nodes, *readers)))


def operations(model: ModelFile, *, dense: bool = False) -> set[str]:
    return {entry.node.op for entry in prepare(model)[dense].typed}


def test_logits_with_other_readers_stay_a_map():
    assert "upsampled_mask" in operations(MODEL)
    assert not {"conv_transpose2x", "spatial_mask"} & operations(MODEL)
    assert {"conv_transpose2x", "spatial_mask"} <= operations(with_read_logits(MODEL))
    assert not {"upsampled_mask", "conv_transpose2x"} & operations(MODEL, dense=True)
    assert {"conv_transpose2x", "spatial_mask"} <= {entry.node.op for entry in fused_graph(MODEL)}


@pytest.mark.parametrize("effort", [None, 0.49, 0.52])
def test_masks_are_those_of_the_logits(effort: float | None):
    image = random_image(38, 50)
    fused = Session(MODEL, 2).run(image, keep_masks=True, effort=effort)
    apart = Session(with_read_logits(MODEL), 1).run(image, keep_masks=True, effort=effort)
    np.testing.assert_array_equal(fused.masks, apart.masks)
    assert 0 < np.mean(fused.masks) < 1
    np.testing.assert_array_equal(fused.image, apart.image)
    assert fused.stats.macs == apart.stats.macs
