"""Recorded costs of precisions: kept, optional, one per scale, and checked."""

from __future__ import annotations

from dataclasses import replace

import pytest

import graphs
from sparsesr.errors import ModelError
from sparsesr.modelfile import json_fields
from sparsesr.modelfile.precision_cost import REDUCED_PRECISIONS, PrecisionCost, key_of
from sparsesr.modelfile.reader import read_model
from sparsesr.modelfile.spec import from_json, to_json
from sparsesr.modelfile.writer import write_model

MODEL = graphs.smsr(channels=8, modules=1, layers=2)
COST = PrecisionCost(2, 36.373, 0.00073, 0.00467, "astronaut, coffee")
RECORD = {"scale": 2, "psnr_y_db": 36, "mean_db": 0, "worst_db": 0.5, "measured_on": "Set5"}


@pytest.fixture(params=REDUCED_PRECISIONS)
def precision(request):
    return request.param


def with_costs(precision, *costs):
    return replace(MODEL, facts=MODEL.facts.with_costs(precision, costs))


def written(tmp_path, model):
    path = tmp_path / "model.safetensors"
    write_model(path, model.facts, model.graph, model.tensors)
    return read_model(path)


def test_round_trip(tmp_path, precision):
    facts = written(tmp_path, with_costs(precision, COST)).facts
    assert facts.costs(precision) == (COST,) and facts.cost(precision) == COST
    assert not any(facts.costs(other) for other in REDUCED_PRECISIONS if other != precision)


def test_files_without_records_are_unchanged(tmp_path, precision):
    """No records leave no trace: old files and new ones without records are alike, and the format is still 1."""
    document = to_json(MODEL.facts, MODEL.graph)
    assert key_of(precision) not in document["facts"] and document["format"] == 1
    facts = written(tmp_path, MODEL).facts
    assert facts.costs(precision) == () and facts.cost(precision) is None


def test_a_single_scale_keeps_its_own_record(tmp_path, precision):
    graph = replace(MODEL.graph, more_outputs={3: MODEL.graph.output})
    both = replace(with_costs(precision, COST, replace(COST, scale=3)), graph=graph)
    for scale in (2, 3):
        assert [cost.scale for cost in both.at_scale(scale).facts.costs(precision)] == [scale]
    assert replace(with_costs(precision, COST), graph=graph).at_scale(3).facts.cost(precision) is None
    written(tmp_path, both.at_scale(2))


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        ((COST, COST), "two records for one scale"),
        ((replace(COST, scale=3),), "record for x3, which the model does not serve"),
        ((replace(COST, measured_on="\x1b[2J"),), "control characters"),
        ((replace(COST, measured_on="x" * 1000),), "too long"),
        ((replace(COST, worst_db=float("nan")),), "cannot be stored as JSON"),
    ],
)
def test_invalid_records_are_not_written(tmp_path, precision, costs, message):
    with pytest.raises(ModelError, match=message):
        written(tmp_path, with_costs(precision, *costs))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "costs",
    [
        {},
        "none",
        [1],
        [{}],
        [{**RECORD, "worst_db": "0"}],
        [{**RECORD, "worst_db": True}],
        [{**RECORD, "mean_db": 1e301}],
        [{**RECORD, "scale": 2.0}],
        [{**RECORD, "measured_on": None}],
    ],
)
def test_untrusted_records_are_checked(precision, costs):
    document = json_fields.parse(json_fields.dump(to_json(MODEL.facts, MODEL.graph), "it"), "it")
    document["facts"][key_of(precision)] = [RECORD]
    assert from_json(document, 100)[0].cost(precision) == PrecisionCost(2, 36.0, 0.0, 0.5, "Set5")
    document["facts"][key_of(precision)] = costs
    with pytest.raises(ModelError, match=key_of(precision)):
        from_json(document, 100)
