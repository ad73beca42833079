"""Tables of latencies: what is measured, what they predict, and which tables are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lab.search.spaces import SMALL_A, SMALL_B, SMALL_RESIDUAL
from sparsesr.errors import InputError, ModelError
from sparsesr.lab.nn.genotype import CELL, Cell, Genotype
from sparsesr.lab.search.latency import conditions_of, fastest, measure_latency, prices_of
from sparsesr.lab.search.latency_networks import covering_network, random_network
from sparsesr.lab.search.latency_table import LatencyTable, key_of, read_table
from sparsesr.lab.search.prices import price_of
from sparsesr.lab.search.recipe import Search, SearchRecipe
from sparsesr.lab.search.space import Space
from sparsesr.measure.machine import this_machine

RECIPE = SearchRecipe(
    network="small",
    scale=2,
    steps=6,
    space=SMALL_RESIDUAL,
    search=Search(objective="ms", latency_height_px=24, latency_width_px=32),
)


def all_shapes(space: Space) -> set[tuple[str, int, int]]:
    return {
        (name, c_in, c_out)
        for place, names in enumerate(space.candidates)
        for name in names
        for c_in in space.widths_at(place)
        for c_out in space.widths_at(place + 1)
    }


def table(**changes) -> LatencyTable:
    operations = {
        key_of(*shape, 0): float(index + 1) for index, shape in enumerate(sorted(all_shapes(SMALL_RESIDUAL)))
    }
    made = LatencyTable(this_machine(), conditions_of(RECIPE), operations, 0.5, {}, 3.0, 40.0, 0.02)
    return replace(made, **changes)


def silent(line: str) -> None:
    pass


@pytest.mark.parametrize(("space", "scale", "count"), [(SMALL_RESIDUAL, 2, 12), (Space(), 4, 100)])
def test_the_covering_network_holds_every_operation(space, scale, count):
    genotype = covering_network(space, scale, 0)
    found = {shape for cell in genotype.cells for shape in cell.shaped(space.channels)}
    assert found >= all_shapes(space) and len(all_shapes(space)) == count
    assert len(genotype.cells) <= count


def test_random_networks_belong_to_the_space():
    draw = np.random.default_rng(0)
    drawn = [random_network(SMALL_RESIDUAL, 2, draw) for _ in range(40)]
    assert {len(genotype.cells) for genotype in drawn} == {2, 3, 4}
    assert {shape for g in drawn for cell in g.cells for shape in cell.shaped(16)} == all_shapes(
        SMALL_RESIDUAL
    )


def test_every_operation_is_measured():
    lines: list[str] = []
    measured = measure_latency(RECIPE, lines.append, rounds=2)
    assert set(measured.operations_ms) == {key_of(*shape, 0) for shape in all_shapes(SMALL_RESIDUAL)}
    assert all(ms > 0 for ms in measured.operations_ms.values()) and measured.frame_ms > 0
    assert measured.is_of_this_machine and "is off by" in lines[-1]


@pytest.mark.parametrize(("space", "scale"), [(SMALL_B, 4), (SMALL_A, 2)])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_spaces_with_up_blocks_are_measured(space, scale, precision):
    """Family B needs no up block, but a path may have some."""
    search = replace(
        RECIPE.search,
        latency_height_px=10,
        latency_width_px=12,
        latency_precision=precision,
        latency_table="",
    )
    recipe = replace(RECIPE, space=space, scale=scale, search=search)
    measured = measure_latency(recipe, lambda line: None, rounds=2)
    assert set(measured.ups_ms) == {"0"} and measured.up(0) > 0
    draw = np.random.default_rng(1)
    assert all(price_of(random_network(space, scale, draw), measured) > 0 for _ in range(20))


def test_a_network_costs_the_sum_of_its_parts():
    latencies = table()
    genotype = Genotype("residual", 2, 16, (CELL, CELL), (Cell(("relu3x3", "linear1x1"), (32,)),) * 2)
    one = latencies.operations_ms["relu3x3 16 32 0"] + latencies.operations_ms["linear1x1 32 16 0"]
    assert price_of(genotype, latencies) == pytest.approx(3.0 + 2 * (0.5 + one))
    assert price_of(genotype, latencies.scaled(80.0)) == pytest.approx(2 * price_of(genotype, latencies))


def test_the_fastest_tenth():
    assert fastest([5.0, 1.0, 3.0]) == 1.0
    assert fastest(list(range(30))) == 3


def test_tables_are_kept_and_read(tmp_path):
    table().write(tmp_path / "t.json")
    assert read_table(tmp_path / "t.json") == table()
    recipe = replace(RECIPE, search=replace(RECIPE.search, latency_table=str(tmp_path / "t.json")))
    assert prices_of(recipe, tmp_path, silent) == table()


def test_a_table_of_another_machine_is_refused_or_scaled(tmp_path):
    other = table(machine=replace(this_machine(), processor="another one"))
    other.write(tmp_path / "t.json")
    search = replace(RECIPE.search, latency_table=str(tmp_path / "t.json"))
    with pytest.raises(ModelError, match=r"another machine.*another one.*scale_latency"):
        prices_of(replace(RECIPE, search=search), tmp_path, silent)
    lines: list[str] = []
    scaled = prices_of(replace(RECIPE, search=replace(search, scale_latency=True)), tmp_path, lines.append)
    assert scaled.frame() == pytest.approx(3.0 * scaled.scaled_by) and scaled.scaled_by != 1.0
    assert "are scaled by" in lines[0]


def test_a_resumed_search_goes_on_with_the_same_scaled_prices(tmp_path, monkeypatch):
    timed_ms = iter([80.0, 81.0, 82.0])
    monkeypatch.setattr("sparsesr.lab.search.latency._reference_ms", lambda recipe: next(timed_ms))
    search = replace(RECIPE.search, latency_table=str(tmp_path / "t.json"), scale_latency=True)
    there = replace(this_machine(), processor="another one")
    (tmp_path / "run").mkdir()

    def frame_ms(**changes) -> float:
        table(machine=there, **changes).write(tmp_path / "t.json")
        return prices_of(replace(RECIPE, search=search), tmp_path / "run", silent).frame()

    assert frame_ms() == frame_ms() == 6.0
    assert frame_ms(frame_ms=4.0) == pytest.approx(4 * 81 / 40)  # another table


def test_a_table_of_other_conditions_is_refused():
    theirs = replace(conditions_of(RECIPE), threads=7)
    with pytest.raises(ModelError, match="threads 7 instead of 1"):
        table(conditions=theirs).check(conditions_of(RECIPE))


def test_an_operation_that_was_not_measured():
    with pytest.raises(ModelError, match="no latency of relu3x3 16 64 0"):
        table().operation("relu3x3", 16, 64, 0)


@pytest.mark.parametrize("text", ["{}", "[]", "{", '{"format": 1}', '{"format": 9}'])
def test_damaged_tables(tmp_path, text):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(ModelError, match="not a table of latencies"):
        read_table(tmp_path / "t.json")


def test_a_missing_table(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_table(tmp_path / "none.json")
