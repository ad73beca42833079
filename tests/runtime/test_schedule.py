"""The schedule on its own: each row once, and nothing read before it is computed or after it is dropped."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphs import GraphBuilder, plain, smsr
from runtime.int8_models import with_int8
from runtime.random_graphs import (
    at_every_size,
    halves,
    only_bicubic,
    residual_blocks,
    shared_mask,
    tokens,
)
from sparsesr.modelfile.operations.registry import input_rows, operation_of
from sparsesr.modelfile.operations.value_types import Kind
from sparsesr.modelfile.spec import Facts, Graph, ModelFile
from sparsesr.modelfile.validation import type_graph
from sparsesr.runtime.backend.native.layout import NATIVE_LAYOUT
from sparsesr.runtime.graph.prepared import prepare
from sparsesr.runtime.graph.segments import Segment, split, streamed_inputs
from sparsesr.runtime.graph.unmasked import without_masks
from sparsesr.runtime.plan.execution_plan import make_execution_plan
from sparsesr.runtime.plan.grid import Grid
from sparsesr.runtime.plan.schedule import Band, make_bands, sharing_windows, total_rows


def typed(model: ModelFile):
    return type_graph(model.graph, {name: tensor.shape for name, tensor in model.tensors.items()})


SMSR = typed(smsr(8, modules=4, layers=2))
GRAPHS = [
    SMSR,
    *(
        typed(model)
        for model in (plain(), shared_mask(), halves(), only_bicubic(), at_every_size(), tokens())
    ),
]


def replay(segment: Segment, height: int, band_rows: int) -> None:
    """Follow the schedule and check every step against the rules of the operations."""
    made = {entry.node.output: entry for entry in segment.nodes}
    done, kept = dict.fromkeys(made, 0), dict.fromkeys(made, 0)
    for band in sharing_windows(segment, make_bands(segment, height, band_rows), height, []):
        for step in band.steps:
            entry = segment.nodes[step.node]
            name = entry.node.output
            assert step.r0 == done[name] < step.r1
            for index, source in streamed_inputs(entry):
                if source in made:
                    low, high = input_rows(entry.node, step.r0, step.r1, index)
                    total = total_rows(made[source], height)
                    assert max(low, 0) >= kept[source]
                    assert min(high, total) <= done[source]
            done[name], kept[name] = step.r1, max(kept[name], step.keep)
    assert all(done[name] == total_rows(entry, height) for name, entry in made.items())


def check_kept_rows(segment: Segment, bands: tuple[Band, ...], height: int, windows: list[list[str]]) -> None:
    """Every step keeps just what the maps of its window are still read for, other than for by-products."""
    totals = {entry.node.output: total_rows(entry, height) for entry in segment.nodes}
    done = dict.fromkeys(totals, 0)
    window_of = {name: window for window in windows for name in window}

    def first_read(name: str) -> int:
        rows = [
            input_rows(entry.node, done[entry.node.output], done[entry.node.output] + 1, index)[0]
            for entry in segment.nodes
            for index, source in streamed_inputs(entry)
            if source == name and done[entry.node.output] < totals[entry.node.output]
            if not operation_of(entry.node).is_by_product
        ]
        return min(rows, default=done[name])

    for step in (step for band in bands for step in band.steps):
        name = segment.nodes[step.node].node.output
        assert step.keep == min(first_read(other) for other in window_of.get(name, [name]))
        done[name] = step.r1


@settings(max_examples=150, deadline=None)
@given(
    graph=st.sampled_from(GRAPHS),
    height=st.integers(1, 20).map(lambda rows: 4 * rows),
    band_rows=st.integers(1, 90),
    recompute=st.booleans(),
)
def test_every_row_once_and_nothing_too_early_or_too_late(graph, height, band_rows, recompute):
    for segment in split(graph, recompute).segments:
        replay(segment, height, band_rows)


def test_a_segment_ends_at_each_attention():
    cut = split(SMSR, recompute=False)
    assert len(cut.segments) == 5
    assert [len(segment.vector_nodes) for segment in cut.segments] == [0, 1, 1, 1, 1]


def test_recomputing_keeps_no_map_for_the_long_skip():
    kept, recomputed = split(SMSR, recompute=False), split(SMSR, recompute=True)
    assert kept.last_use["head.2"] == 4
    assert recomputed.last_use["head.2"] == 1
    last = {entry.node.output for entry in recomputed.segments[-1].nodes}
    assert {"image", "head.0", "head.2"} <= last


def test_the_upscaled_image_is_computed_last():
    cut = split(SMSR, recompute=False)
    assert "upsampled" in {entry.node.output for entry in cut.segments[-1].nodes}
    assert "upsampled" not in cut.last_use


def test_without_masks_nothing_computes_them():
    dense = without_masks(SMSR, "output")
    assert not any(entry.output.kind is Kind.MASK or ".mask" in entry.node.output for entry in dense)
    assert {"body.0.layer0", "body.3.collect"} <= {entry.node.output for entry in dense}


@pytest.mark.parametrize(("recompute", "maps"), [(False, 4), (True, 3)])
def test_whole_maps_reuse_buffers(recompute, maps):
    plan = make_execution_plan(SMSR, Grid(64, 64, 2), 4, recompute, NATIVE_LAYOUT)
    whole = {place.buffer for segment in plan.segments for place in segment.places.values() if place.is_whole}
    assert len(whole) == maps


def test_rolling_windows_do_not_grow_with_the_image():
    def rolling_rows(height: int) -> int:
        plan = make_execution_plan(SMSR, Grid(height, 64, 2), 4, False, NATIVE_LAYOUT)
        return sum(shape.rows for shape in plan.buffers if shape.rows < height)

    assert rolling_rows(400) == rolling_rows(200)


@pytest.mark.parametrize("band_rows", [1, 6, 64])
@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("model", [smsr(8, modules=3, layers=2), residual_blocks(), halves()])
def test_windows_keep_the_rows_that_any_of_their_maps_needs(model, precision, band_rows):
    form = prepare(with_int8(model), precision)[0]
    plan = make_execution_plan(form.typed, Grid(24, 28, 2), band_rows, False, NATIVE_LAYOUT, form.types)
    for planned in plan.segments:
        windows: dict[int, list[str]] = {}
        for name, place in planned.places.items():
            if not place.is_whole:
                windows.setdefault(place.buffer, []).append(name)
        check_kept_rows(planned.segment, planned.bands, 24, list(windows.values()))


def chain_with_a_sum(layers: int) -> ModelFile:
    """A chain of convolutions and the running sum of their outputs."""
    build = GraphBuilder()
    last = total = build.conv([build.add("image", (), "image")], "layer0", 3, 16)
    for index in range(1, layers):
        last = build.conv([last], f"layer{index}", 16, 16)
        total = build.add("add", [total, last], f"total{index}")
    output = build.add("pixel_shuffle", [build.conv([total], "tail", 16, 12)], "output", scale=2)
    return ModelFile(Facts("chain", "chain", 2), Graph("image", output, tuple(build.nodes)), build.tensors)


def test_sums_do_not_wait_so_that_no_layer_of_a_chain_is_kept():
    plan = make_execution_plan(typed(chain_with_a_sum(17)), Grid(400, 64, 2), 4, True, NATIVE_LAYOUT)
    wide = [shape.rows for shape in plan.buffers if shape.stride == 16]
    # The layers take turns in two windows: a layer's reader is past the rows that the next but one writes. The 16 sums
    # and the first layer, which they overwrite, share the third. Each has the rows of a band, those around them that a
    # convolution and its reader need, and those by which its first map leads its last: one per layer.
    assert len(wide) == 3 and max(wide) <= 4 + 3 + 16


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("band_rows", [1, 5, 64])
def test_room_for_by_products_is_made_right_before_their_writers_run(dense, band_rows):
    """And nobody reads a by-product before its writer has run."""
    form = prepare(with_int8(residual_blocks()), "int8")[dense]
    plan = make_execution_plan(form.typed, Grid(22, 28, 2), band_rows, False, NATIVE_LAYOUT, form.types)
    (planned,) = plan.segments
    nodes = planned.segment.nodes
    found = 0
    for band in planned.bands:
        for step, after in zip(band.steps, [*band.steps[1:], None], strict=True):
            entry = nodes[step.node]
            if operation_of(entry.node).is_by_product:
                assert nodes[after.node].node.output == entry.node.inputs[0]
                assert (step.r0, step.r1) == (after.r0, after.r1) and step.keep <= step.r0
                assert after.keep <= after.r0
                found += 1
    assert found > 0
