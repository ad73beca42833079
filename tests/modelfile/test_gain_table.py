"""Tables of gains in model files: round trip, and refusal of what makes no sense."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

import graphs
from sparsesr.errors import ModelError
from sparsesr.modelfile import json_fields
from sparsesr.modelfile.gain_table import EffortGains, GainTable
from sparsesr.modelfile.reader import read_model
from sparsesr.modelfile.spec import from_json, to_json
from sparsesr.modelfile.writer import write_model

MODEL = graphs.smsr(channels=8, modules=1, layers=2)
LEAST, MOST = EffortGains(0.0, 1.5, 0.25, (0.0, 0.5)), EffortGains(1.0, 4.0, 1.0, (1.0, 1.0))
TABLE = GainTable(2, -1.0, 0.5, (1.0, 2.0), (-1.5, 4.0), (0.5, 1.0, 2.0), (LEAST, MOST), "astronaut, coffee")


def with_tables(*tables):
    return replace(MODEL, facts=replace(MODEL.facts, gain_tables=tables))


def written(tmp_path, model):
    path = tmp_path / "model.safetensors"
    write_model(path, model.facts, model.graph, model.tensors)
    return read_model(path)


def test_round_trip(tmp_path):
    facts = written(tmp_path, with_tables(TABLE)).facts
    assert facts.gain_tables == (TABLE,) and facts.gain_table() == TABLE


def test_files_without_tables_are_unchanged(tmp_path):
    assert "gain_tables" not in to_json(MODEL.facts, MODEL.graph)["facts"]
    facts = written(tmp_path, MODEL).facts
    assert facts.gain_tables == () and facts.gain_table() is None


def test_a_single_scale_keeps_its_own_table():
    graph = replace(MODEL.graph, more_outputs={3: MODEL.graph.output})
    both = replace(with_tables(TABLE, replace(TABLE, scale=3)), graph=graph)
    for scale in (2, 3):
        assert [table.scale for table in both.at_scale(scale).facts.gain_tables] == [scale]


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ((TABLE, TABLE), "two tables for one scale"),
        ((replace(TABLE, scale=3),), "table for x3, which the model does not serve"),
        ((replace(TABLE, measured_on="\x1b[2J"),), "control characters"),
        ((replace(TABLE, efforts=()),), "efforts must ascend"),
        ((replace(TABLE, efforts=(MOST, LEAST)),), "efforts must ascend"),
        ((replace(TABLE, efforts=(LEAST, replace(MOST, effort=1.5))),), r"in 0\.\.1"),
        ((replace(TABLE, gap_step=0.0),), "gap_step positive"),
        ((replace(TABLE, efforts=(LEAST, replace(MOST, densities=(1.0,)))),), "same 1 to 256 bins"),
        ((replace(TABLE, least_gains=(1.0, 2.0, 3.0)),), "same 1 to 256 bins"),
        ((replace(TABLE, efforts=(replace(LEAST, densities=(0.0, 1.5)), MOST)),), "densities must be"),
        ((replace(TABLE, efforts=(replace(LEAST, mean_density=-0.1), MOST)),), "densities must be"),
        ((replace(TABLE, contrast_factors=()),), "contrast_factors"),
        ((replace(TABLE, contrast_factors=(1.0, -0.5)),), "contrast_factors"),
        ((replace(TABLE, first_gap=float("nan")),), "cannot be stored as JSON"),
    ],
)
def test_invalid_tables_are_not_written(tmp_path, tables, message):
    with pytest.raises(ModelError, match=message):
        written(tmp_path, with_tables(*tables))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "change",
    [
        {"scale": 2.0},
        {"gap_step": "1"},
        {"efforts": 3},
        {"efforts": [{}]},
        {"contrast_factors": ["1"]},
        {"contrast_factors": [1e301]},
        {"measured_on": None},
    ],
)
def test_untrusted_tables_are_checked(change):
    document = json_fields.parse(json_fields.dump(to_json(MODEL.facts, MODEL.graph), "it"), "it")
    record = json_fields.parse(json_fields.dump(asdict(TABLE), "it"), "it")
    document["facts"]["gain_tables"] = [record]
    assert from_json(document, 100)[0].gain_tables == (TABLE,)
    document["facts"]["gain_tables"] = [{**record, **change}]
    with pytest.raises(ModelError, match="gain_tables"):
        from_json(document, 100)
