"""Masked residual blocks: which sums are fused into convolutions, and that nothing else changes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from runtime.random_graphs import random_image, residual_blocks
from sparsesr import _native
from sparsesr.modelfile.operations.registry import mask_names
from sparsesr.modelfile.validation import type_graph
from sparsesr.runtime.backend.native.backend import NATIVE
from sparsesr.runtime.graph import prepared
from sparsesr.runtime.graph.cost import count_macs
from sparsesr.runtime.graph.fused_residuals import with_fused_residuals
from sparsesr.runtime.graph.zero_fill import ZeroFill, mask_zeros
from sparsesr.runtime.plan import execution_plan
from sparsesr.runtime.plan.planner import PlanOptions
from sparsesr.runtime.session import Session

EVERYWHERE, BORDER, NOWHERE = ZeroFill
MODEL = residual_blocks()
TYPED = type_graph(MODEL.graph, {name: tensor.shape for name, tensor in MODEL.tensors.items()})
FUSED = ["block0", "block1", "block2", "activated", "other", "last"]
SIZES = [(1, 1), (2, 7), (3, 30), (22, 27), (61, 18)]


def not_fused(monkeypatch, *arguments, **options) -> Session:
    with monkeypatch.context() as patch:
        patch.setattr(prepared, "with_fused_residuals", lambda typed, output: typed)
        return Session(MODEL, *arguments, **options)


@pytest.fixture(params=_native.cpu_features())
def isa(request) -> Iterator[str]:
    """Each instruction set of this machine."""
    before = _native.set_cpu(request.param)
    yield request.param
    _native.set_cpu(before)


def test_only_branches_that_are_zero_at_inactive_pixels_and_read_once_are_fused():
    fused = with_fused_residuals(TYPED, MODEL.graph.output)
    with_residual = [e.node for e in fused if e.node.attrs.get("residual")]
    assert [node.output for node in with_residual] == FUSED
    assert [node.name for node in with_residual] == [f"{name}.b" for name in FUSED]
    assert [node.inputs[-1] for node in with_residual[:3]] == ["head", "block0", "block1"]
    assert [e.node.output for e in fused if e.node.op == "add"] == ["factors_own", "dense_own", "read_own"]


def test_a_branch_that_is_the_result_is_not_fused():
    outputs = {e.node.output for e in with_fused_residuals(TYPED, "last.b")}
    assert {"last", "last.b"} <= outputs


def test_hidden_maps_are_filled_at_the_border_only_and_trunks_never():
    fused = with_fused_residuals(TYPED, MODEL.graph.output)
    zeros = mask_zeros(fused, MODEL.graph.output)
    assert zeros["block1.a"] == (ZeroFill.BORDER, None)
    assert zeros["block1"] == (ZeroFill.NOWHERE, [0])
    assert zeros["other"].nonzero_channels is None  # its hidden map has another mask


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("threads", [1, 2])
def test_no_bit_changes_in_fp32(threads, dense, monkeypatch):
    one, other = Session(MODEL, threads), not_fused(monkeypatch, threads)
    assert len(other._planner.masked.typed) - len(one._planner.masked.typed) == len(FUSED)
    for height, width in SIZES:
        image = random_image(height, width, seed=height)
        expected = other.run(image, dense=dense, band_rows=height, keep_masks=True)
        for band_rows in (1, 2, 3, 5, 8, 32, None):
            result = one.run(image, dense=dense, band_rows=band_rows)
            np.testing.assert_array_equal(result.image, expected.image)
    assert all(0.1 < np.mean(mask) < 0.9 or dense for mask in expected.masks)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dense", [False, True])
def test_overwriting_maps_changes_no_bit(threads, precision, dense, monkeypatch):
    """Compared with separate windows, into which the residual is copied."""
    one, other = (Session(MODEL, threads, precision, emulate=True) for _ in range(2))
    monkeypatch.setattr(execution_plan, "window_groups", _separate_windows)
    images = [random_image(*size, seed=size[0]) for size in SIZES]
    expected = [other.run(image, band_rows=len(image), dense=dense).image for image in images]
    monkeypatch.undo()
    for image, values in zip(images, expected, strict=True):
        for band_rows in (1, 2, 3, 5, 8, 32):
            np.testing.assert_array_equal(one.run(image, band_rows=band_rows, dense=dense).image, values)


def _separate_windows(segment, bands, grid, rolling, layout, types) -> list[list[int]]:
    return [[node] for node, entry in enumerate(segment.nodes) if entry.node.output in rolling]


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("band_rows", [2, 8, 64])
def test_the_trunk_is_one_window(band_rows, dense):
    """The window starts after the head, which the long skip still reads, and ends at a map that is read around
    each pixel just before its sum."""
    planner = Session(MODEL, 1)._planner
    plan = planner.plan(planner.grid(64, 30), PlanOptions(dense=dense, band_rows=band_rows))
    (segment,) = plan.segments
    buffer = {name: place.buffer for name, place in segment.places.items()}
    trunk = [node.output for node in MODEL.graph.nodes if node.op == "add"][:-2]
    assert {buffer[name] for name in trunk} == {buffer["block0"]}
    assert buffer["head"] != buffer["block0"] != buffer["read_own"] == buffer["last"]


def test_hidden_maps_under_one_mask_share_a_window_and_its_zeros():
    planner = Session(MODEL, 1)._planner
    plan = planner.plan(planner.grid(64, 30), PlanOptions(band_rows=8))
    (segment,) = plan.segments
    buffer = {name: place.buffer for name, place in segment.places.items()}
    assert len({buffer[f"block{index}.a"] for index in range(3)} | {buffer["activated.a"]}) == 1
    assert buffer["other.a"] != buffer["block0.a"]  # under another mask
    state = NATIVE.make_arena(plan).start(random_image(64, 30), 1, 0.0)
    state.begin(segment)
    for name, fill in (
        ("block0.a", BORDER),
        ("block1.a", BORDER),
        ("block2.a", EVERYWHERE),
        ("activated.a", BORDER),
    ):
        state.claim_fill(name, fill)
    assert [state.fills[f"block{index}.a"] for index in range(3)] == [BORDER, NOWHERE, EVERYWHERE]
    assert state.fills["activated.a"] is NOWHERE


def test_hidden_maps_of_a_dense_run_share_windows_too():
    planner = Session(MODEL, 1)._planner
    plan = planner.plan(planner.grid(64, 30), PlanOptions(dense=True, band_rows=8))
    (segment,) = plan.segments
    assert len({segment.places[f"block{index}.a"].buffer for index in range(3)}) == 1
    masked, dense = (
        planner.buffer_bytes(planner.grid(640, 480), PlanOptions(dense=d)) for d in (False, True)
    )
    assert dense <= masked


def test_layers_keep_names_densities_and_multiply_adds():
    stats = Session(MODEL, 1).run(random_image(20, 24)).stats
    cost = count_macs(MODEL, 20, 24, stats.densities)
    with_masks = {"conv_transpose2x", "upsampled_mask"}  # named after its logits, and after the mask
    counted = {
        node.name: (node.op, node.macs_dense, node.macs)
        for node in cost.nodes
        if node.macs and node.op not in with_masks
    }
    assert counted == {
        x.name: (x.op, x.macs_dense, x.macs) for x in stats.layers if x.macs and x.op not in with_masks
    }
    assert (stats.macs, stats.macs_dense) == (cost.macs, cost.macs_dense)
    assert set(stats.densities) == set(mask_names(MODEL.graph))
