"""Bytes of maps that layers read and write."""

from __future__ import annotations

import pytest

from graphs import GraphBuilder
from runtime.random_graphs import random_image
from sparsesr.modelfile.spec import Facts, Graph, ModelFile
from sparsesr.runtime.session import Session

PIXELS = 20 * 24


def blocks() -> ModelFile:
    build = GraphBuilder()
    image = build.add("image", (), "image", offset=[0.5, 0.5, 0.5])
    mask = build.add("spatial_mask", [build.conv([image], "logits", 3, 2)], "mask")
    x = build.conv([image], "head", 3, 20)
    hidden = build.conv([mask, x], "a", 20, 24, dense_in=[20], dense_out=0, activation="relu")
    x = build.add("add", [x, build.conv([mask, hidden], "b", 24, 20, dense_in=[0], dense_out=0)], "block")
    x = build.conv([mask, x], "partly", 20, 12, dense_in=[5], dense_out=6)
    output = build.add("pixel_shuffle", [x], "output", scale=2)
    return ModelFile(Facts("blocks", "blocks", 2), Graph("image", output, tuple(build.nodes)), build.tensors)


@pytest.mark.parametrize(("precision", "trunk"), [("fp32", 4), ("bf16", 2)])
def test_layers_read_and_write_at_active_pixels_and_their_dense_channels_elsewhere(precision, trunk):
    stats = Session(blocks(), 1, precision, emulate=True).run(random_image(20, 24)).stats
    moved, density = {layer.name: layer.map_bytes for layer in stats.layers}, stats.densities["mask"]
    assert 0.1 < density < 0.9
    assert moved["image"] == PIXELS * 3 * 4 and moved["mask"] == PIXELS * 2 * 4
    assert moved["head"] == PIXELS * (3 * 4 + 20 * trunk)
    assert moved["a"] == pytest.approx(density * PIXELS * (20 + 24) * trunk)
    assert moved["b"] == pytest.approx(density * PIXELS * (24 + 20 + 20) * trunk)
    inactive = (1 - density) * PIXELS * (5 * trunk + 6 * 4)
    assert moved["partly"] == pytest.approx(density * PIXELS * (20 * trunk + 12 * 4) + inactive, abs=1)
    assert moved["output"] == PIXELS * (12 * 4 + 4 * 3 * 4)
    assert stats.map_bytes == sum(moved.values())


def test_dense_runs_move_whole_maps():
    session = Session(blocks(), 1)
    stats = session.run(random_image(20, 24), dense=True).stats
    moved = {layer.name: layer.map_bytes for layer in stats.layers}
    assert moved["a"] == PIXELS * 4 * (20 + 24) and moved["b"] == PIXELS * 4 * (24 + 20 + 20)
    assert "mask" not in moved
