"""The end of a network in one pass: which networks have one, and that no bit changes."""

from __future__ import annotations

import numpy as np
import pytest

from graphs import GraphBuilder, plain, smsr
from runtime.random_graphs import halves, only_bicubic, random_image, residual_blocks
from sparsesr.modelfile.spec import Facts, Graph, ModelFile
from sparsesr.runtime.graph import prepared
from sparsesr.runtime.session import Session


def ended(model: ModelFile):
    """The last node of the prepared graph."""
    return prepared.fused_graph(model)[-1].node


def with_ending(shared_skip: bool = False, skip_scale: int = 2, reads_output: bool = False) -> ModelFile:
    """A small network with a skip of the same size, made in different ways."""
    build = GraphBuilder(1)
    image = build.add("image", (), "image")
    source = image if skip_scale == 2 else build.add("avg_pool2x2", [image], "half")
    skip = build.add("bicubic_upsample", [source], "skip", scale=skip_scale)
    tail = build.conv([image], "tail", 3, 12)
    output = build.add("pixel_shuffle", [tail, skip], "output", scale=2)
    if shared_skip:
        output = build.add("add", [output, skip], "sum")
    if reads_output:
        build.add("add", [output], "reader")
    facts = Facts(name="ending", architecture="ending", scale=2, size_multiple=2)
    return ModelFile(facts, Graph("image", output, tuple(build.nodes)), build.tensors)


MODELS = {
    "plain": plain(),
    "smsr": smsr(16, modules=2, layers=2),
    "residual_blocks": residual_blocks(),
    "only_bicubic": only_bicubic(),
    "halves": halves(),
    "same": with_ending(),
    "other_scale": with_ending(skip_scale=4),
    "shared": with_ending(shared_skip=True),
}


def test_only_a_skip_that_is_an_enlarged_image_is_fused():
    same = ended(with_ending())
    assert same.inputs == ("tail", "image") and same.attrs["to_result"] and same.attrs["enlarges_skip"]
    assert not ended(with_ending(skip_scale=4)).attrs.get("to_result"), (
        "the skip is twice as large as its reader"
    )
    assert not ended(with_ending(shared_skip=True)).attrs.get("to_result"), "a sum does not write results"
    assert ended(only_bicubic()).op == "bicubic_upsample"


def test_an_output_with_readers_stays_a_map():
    nodes = {entry.node.output: entry.node for entry in prepared.fused_graph(with_ending(reads_output=True))}
    assert not nodes["output"].attrs.get("to_result") and "skip" in nodes


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (23, 30)])
def test_no_bit_changes(name, dtype, height, width, monkeypatch):
    model, image = MODELS[name], random_image(height, width, dtype, seed=3)
    found = [
        Session(model, threads).run(image, band_rows=rows).image for threads, rows in ((1, None), (2, 3))
    ]
    monkeypatch.setattr(prepared, "with_fused_ending", lambda typed, output: typed)
    expected = Session(model, 1).run(image).image
    assert all(np.array_equal(image, expected) for image in found)
