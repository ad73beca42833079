"""The smallest images, in torch, runtime and peers: no map at a fraction of the size may be empty."""

from __future__ import annotations

import numpy as np
import pytest

from graphs import GraphBuilder
from runtime.random_graphs import random_image
from sparsesr.cli.peers import PEERS
from sparsesr.lab.export.graph_module import graph_module
from sparsesr.lab.export.torch_run import run_torch
from sparsesr.measure.peers.runtimes import open_peers
from sparsesr.modelfile.spec import Facts, Graph, ModelFile
from sparsesr.runtime.session import Session


def scaled_by_a_quarter() -> ModelFile:
    """A graph for any size, with a mean over maps of a quarter of it."""
    build = GraphBuilder()
    head = build.conv([build.add("image", (), "image")], "head", 3, 12)
    quarter = build.add("avg_pool2x2", [build.add("avg_pool2x2", [head], "half")], "quarter")
    scaled = build.add("scale_add", [head, build.add("global_mean", [quarter], "mean")], "scaled")
    output = build.add("pixel_shuffle", [scaled], "output", scale=2)
    return ModelFile(
        Facts("quarter", "quarter", 2), Graph("image", output, tuple(build.nodes)), build.tensors
    )


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 9), (6, 2)])
def test_torch_pads_as_the_runtime_does(height, width):
    model, image = scaled_by_a_quarter(), random_image(height, width, np.float32, seed=1)
    expected = Session(model, 1).run(image).image
    np.testing.assert_allclose(run_torch(graph_module(model), image, 2, 1), expected, atol=1e-5)


def test_peers_get_what_the_runtime_pads():
    model, image = scaled_by_a_quarter(), random_image(2, 5, np.uint8, seed=1)
    expected = Session(model, 1).run(image, out_dtype=np.float32).image
    for peer in open_peers([PEERS["torch"]], model, image, threads=1):
        tolerance = 1e-5 if peer.precision == "fp32" else 0.1
        np.testing.assert_allclose(peer.run()[0].transpose(1, 2, 0)[:4, :10], expected, atol=tolerance)
