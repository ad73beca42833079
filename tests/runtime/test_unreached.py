"""Pixels that no active one reaches: head and tail become one map of the image there, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from graphs import smsr
from processors import needs_bf16
from runtime.random_graphs import random_image, residual_blocks, trunk
from sparsesr.modelfile.catalogue import load
from sparsesr.modelfile.spec import ModelFile, Node
from sparsesr.runtime.changed_run import KeptResult
from sparsesr.runtime.graph.prepared import PreparedGraph, fused_graph, prepare
from sparsesr.runtime.session import Session

NEW = ["reached_conv2d", "folded_convs", "reached_conv2d"]
SCALES = [2, 3, 4]


def new_nodes(graph: PreparedGraph) -> list[str]:
    return [entry.node.op for entry in graph.typed if entry.node.op in NEW]


def kept_apart(model: ModelFile) -> ModelFile:
    """The model with a second reader of its tail, whose result nobody needs: it stays as it is."""
    nodes = (*model.graph.nodes, Node("avg_pool2x2", ("tail",), "half"))
    return replace(model, graph=replace(model.graph, nodes=nodes))


def test_which_networks():
    masked, dense = prepare(trunk())
    assert new_nodes(masked) == NEW
    assert new_nodes(dense) == [], "a dense run has no masks"
    for name in ("skim_fast_x2", "photo_x2"):
        assert new_nodes(prepare(load(name))[0]) == NEW
    for model in (kept_apart(trunk()), trunk(blocks=0), residual_blocks(), smsr(16, modules=2)):
        assert new_nodes(prepare(model)[0]) == []


def changed(model: ModelFile, output: str, **changes) -> ModelFile:
    nodes = tuple(replace(n, **changes) if n.output == output else n for n in model.graph.nodes)
    return replace(model, graph=replace(model.graph, nodes=nodes))


@pytest.mark.parametrize(
    ("output", "changes"),
    [
        ("head", {"attrs": {"kernel": 3, "activation": "relu"}}),
        ("tail", {"attrs": {"kernel": 3, "activation": "relu"}}),
        ("block1.a", {"attrs": {"kernel": 3, "activation": "relu", "dense_in": [20], "dense_out": 4}}),
    ],
    ids=["activated head", "activated tail", "dense channels"],
)
def test_what_is_not_linear_stays(output: str, changes: dict):
    model = changed(trunk(), output, **changes)
    assert fused_graph(model)
    assert new_nodes(prepare(model)[0]) == []


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("size", [(37, 150), (2, 2), (1, 9), (64, 4)])
def test_same_result(scale: int, seed: int, size: tuple[int, int]):
    model = trunk(seed, scale=scale)
    image = random_image(*size, seed=seed)
    for effort in (0.0, 0.4, 0.5, 1.0):
        run = Session(model, 2).run(image, effort=effort, keep_masks=True)
        expected = Session(kept_apart(model), 2).run(image, effort=effort, keep_masks=True)
        np.testing.assert_array_equal(run.masks[0], expected.masks[0])
        np.testing.assert_allclose(run.image, expected.image, atol=2e-6)


def test_a_photograph_needs_fewer_multiply_adds():
    model, image = trunk(), random_image(80, 96)
    run, before = (Session(m, 1).run(image) for m in (model, kept_apart(model)))
    assert 0.02 < run.stats.density < 0.5
    assert run.stats.densities == before.stats.densities == {"mask": run.stats.density}
    assert run.stats.macs < before.stats.macs
    ops = {layer.op: layer for layer in run.stats.layers}
    near = ops["reached_conv2d"].density
    assert near is not None and run.stats.density < near < 1
    mask = np.zeros((84, 100), bool)
    mask[2:-2, 2:-2] = Session(model, 1).run(image, keep_masks=True).masks[0]
    grown = np.any([mask[y : y + 80, x : x + 96] for y in (1, 2, 3) for x in (1, 2, 3)], axis=0)
    assert near == pytest.approx(grown.mean())


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=needs_bf16)], ids=["fp32", "bf16"])
def test_bands_and_threads_change_no_bit(precision: str):
    image = random_image(61, 130)
    for model in (trunk(), trunk(1, scale=3)):
        expected = Session(model, 1, precision).run(image, band_rows=61).image
        session = Session(model, 3, precision)
        for rows in (1, 2, 7, None):
            for low_memory in (False, True):
                found = session.run(image, band_rows=rows, low_memory=low_memory).image
                np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("seed", range(4))
def test_what_has_changed_is_computed_alike(seed: int):
    session, rng = Session(trunk(), 2), np.random.default_rng(seed)
    image = random_image(50, 140, np.uint8, seed)
    run = session.run(image, keep_masks=True)
    kept = KeptResult(run.image, run.masks[0])
    changes = rng.random((50, 140)) < 0.002
    changes[10:20, 30:70] = True
    image = np.where(changes[..., None], 255 - image, image)
    session.run_changed(image, changes, kept)
    np.testing.assert_array_equal(kept.image, session.run(image).image)
