from __future__ import annotations

import pytest

import graphs
from sparsesr.errors import ModelError
from sparsesr.modelfile import json_fields
from sparsesr.modelfile.describe import describe
from sparsesr.modelfile.spec import Facts, Node, from_json, to_json


def test_json_round_trip():
    model = graphs.smsr(channels=8, modules=1, layers=2)
    text = json_fields.dump(to_json(model.facts, model.graph), "it")
    assert from_json(json_fields.parse(text, "it"), 4096) == (model.facts, model.graph)


def test_a_node_is_named_after_its_output():
    assert Node("image", (), "x").name == "x"
    assert Node("image", (), "x", name="input").name == "input"


def test_facts_have_sane_defaults():
    facts = Facts("a", "b", 2)
    assert (facts.size_multiple, facts.value_range, facts.training) == (1, 1.0, {})


@pytest.mark.parametrize(
    "text", ['{"a": 1, "a": 2}', "NaN", "[1e999]", "-Infinity", '"\\ud800"', b"\xff", "[" * 10**5]
)
def test_json_that_is_refused(text):
    with pytest.raises(ModelError, match=r"it is (not valid JSON|nested too deeply)"):
        json_fields.parse(text, "it")


def test_messages_show_strange_names_safely():
    assert json_fields.shown("a\x1b[2J\n") == r"'a\x1b[2J\n'"
    assert len(json_fields.shown("x" * 10_000)) < 100


def test_describe():
    about = describe(graphs.smsr())
    assert about["weights"] == about["parameters"] == 984_746
    assert about["masks"] == [f"body.{index}.mask" for index in range(5)]
    assert about["masked_layers"]["body.0.layer1"] == {"dense": 9, "channels": 64, "mask": "body.0.mask"}
    assert about["ops"]["masked_conv2d"] == 25
    json_fields.dump(about, "it")
