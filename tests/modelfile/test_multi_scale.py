"""Model files for several scales: round trip, refused files, reduction to one scale."""

from __future__ import annotations

import numpy as np
import pytest

import graphs
from hostile_models import edit_document, saved
from sparsesr.errors import ModelError
from sparsesr.modelfile import catalogue
from sparsesr.modelfile.describe import describe
from sparsesr.modelfile.reader import read_description, read_model
from sparsesr.modelfile.spec import scale_words
from sparsesr.modelfile.writer import encode_model

MODEL = graphs.multi_scale()
GOOD = encode_model(MODEL.facts, MODEL.graph, MODEL.tensors)


def test_round_trip(tmp_path):
    path = saved(tmp_path, GOOD)
    read = read_model(path)
    assert read.graph == MODEL.graph and read.scales == (2, 3)
    assert read_description(path).scales == (2, 3)
    assert describe(read)["scales"] == [2, 3]


def test_one_scale_has_only_its_own_nodes_and_tensors():
    for scale, other in ((2, 3), (3, 2)):
        alone = MODEL.at_scale(scale)
        assert (alone.facts.scale, alone.scales) == (scale, (scale,))
        assert [node.output for node in alone.graph.nodes] == [
            "image",
            "trunk",
            f"up{scale}",
            f"upscaled{scale}",
            f"output{scale}",
        ]
        assert f"up{other}.weight" not in alone.tensors and "output2.weight" in alone.tensors
        encode_model(alone.facts, alone.graph, alone.tensors)
        assert alone.at_scale(scale) is alone and alone.at_scale() is alone
    assert MODEL.at_scale().facts.scale == 2
    with pytest.raises(ModelError, match="multi upscales x2 or x3, not x4"):
        MODEL.at_scale(4)


def test_scale_words():
    assert [scale_words(scales) for scales in ((2,), (2, 3), (2, 3, 4))] == ["x2", "x2 or x3", "x2, x3 or x4"]


def test_models_for_one_scale_have_no_more_outputs():
    model = graphs.plain()
    assert b"more_outputs" not in encode_model(model.facts, model.graph, model.tensors)


def set_outputs(outputs):
    return lambda document: document["graph"].update(more_outputs=outputs)


@pytest.mark.parametrize(
    ("outputs", "says"),
    [
        ({"3": "output2"}, "'output2' is not an image of 3 channels, upscaled x3"),
        ({"4": "output3"}, "'output3' is not an image of 3 channels, upscaled x4"),
        ({"3": "upscaled3"}, "'upscaled3' is not an image of 3 channels"),
        ({"3": "nothing"}, "'nothing' is not an image of 3 channels"),
        ({"2": "output2", "3": "output3"}, "has two outputs for x2"),
        ({"3": "output3", "9": "output3"}, r"scale 9 is not in 1\.\.8"),
        ({"03": "output3"}, "more_outputs: '03' is no scale"),
        ({"3.0": "output3"}, "'3.0' is no scale"),
        ({"x" * 300: "output3"}, "is no scale"),
        ({"3": 3}, "more_outputs must map to strings"),
        (["output3"], "more_outputs must be an object"),
        ({}, "output 'output3' of node 'output3' is never used"),
    ],
)
def test_refused_outputs(tmp_path, outputs, says):
    with pytest.raises(ModelError, match=says) as caught:
        read_model(saved(tmp_path, edit_document(GOOD, set_outputs(outputs))))
    assert "\n" not in str(caught.value)


def test_it_is_the_default_for_each_of_its_scales(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSESR_HOME", str(tmp_path))
    monkeypatch.setattr(catalogue, "bundled_models_dir", lambda: tmp_path / "none")
    catalogue.install_model(MODEL, "multi")
    assert [catalogue.default_model_for(scale).name for scale in (2, 3)] == ["multi", "multi"]
    with pytest.raises(ModelError, match="no model upscales x4; there are models for x2, x3"):
        catalogue.default_model_for(4)
    assert catalogue.verify(catalogue.resolve("multi")).scales == (2, 3)


def test_both_scales_run():
    from sparsesr.runtime.session import Session

    image = np.random.default_rng(0).random((5, 7, 3), np.float32)
    for scale in (2, 3):
        assert Session(MODEL.at_scale(scale)).run(image).image.shape == (5 * scale, 7 * scale, 3)
    np.testing.assert_array_equal(
        Session(MODEL).run(image).image, Session(MODEL.at_scale(2)).run(image).image
    )
