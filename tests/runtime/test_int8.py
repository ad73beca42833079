"""int8: which maps are quantised, how far it is from fp32, and that bands and threads change no bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphs import GraphBuilder, plain, smsr
from runtime.banding import (
    WAYS_TO_RUN,
    check_peak_is_allocated,
    check_peak_without_full_plan,
    check_same_bits,
)
from runtime.int8_models import with_int8
from runtime.random_graphs import one_of_each, random_image, residual_blocks
from sparsesr import _native
from sparsesr.errors import UsageError
from sparsesr.modelfile.operations.attributes import INT8_SCALES
from sparsesr.modelfile.precision_cost import PrecisionCost
from sparsesr.modelfile.spec import Facts, Graph, ModelFile
from sparsesr.runtime import precision
from sparsesr.runtime.backend.native.layout import NATIVE_LAYOUT
from sparsesr.runtime.graph.prepared import prepare, supported_precisions
from sparsesr.runtime.graph.zero_fill import ZeroFill
from sparsesr.runtime.plan.execution_plan import make_execution_plan
from sparsesr.runtime.plan.grid import Grid
from sparsesr.runtime.session import Session

MODELS = [
    with_int8(model)
    for model in (
        smsr(16, modules=3, layers=2, seed=1),
        *(model for name, model in one_of_each().items() if name != "only_bicubic"),
    )
]


RESTS = pytest.mark.parametrize("rest", ["fp32", "bf16"])
"""Precision of what has no scales."""


def int8(model, threads: int = 1, rest: str = "fp32") -> Session:
    """A session in int8, also on processors without the instructions."""
    return Session(model, threads, "int8", rest=rest, emulate=True)


def test_maps_between_int8_layers_are_quantised_and_others_copied():
    masked, dense = prepare(with_int8(smsr(16, modules=1, layers=3, seed=1)), "int8")
    for form in (masked, dense):
        stored = {name for name in form.types if not name.endswith("~u8")}
        copies = {entry.node.inputs[0] for entry in form.typed if entry.node.op == "quantise"}
        assert stored == {"body.0.layer0", "body.0.layer1", "body.0.layer2", "collect.0.0"}
        assert {"head.0", "head.2", "body.0"} <= copies and "image" not in copies
        assert {f"{name}~u8" for name in copies} == set(form.types) - stored
    assert {t.zero for name, t in masked.types.items() if "layer" in name} == {0}, "never negative after ReLU"
    assert masked.types["head.0~u8"].zero == 0 and masked.types["head.2~u8"].zero == 128


def test_other_maps_are_in_bf16_if_that_is_the_rest():
    model = with_int8(smsr(16, modules=1, layers=3, seed=1))
    masked, dense = prepare(model, "int8", "bf16")
    for form, alone in zip((masked, dense), prepare(model, "int8"), strict=True):
        quantised = {name for name, found in form.types.items() if found.name == "u8"}
        assert quantised == set(alone.types) and form.copies == alone.copies
        assert {"head.0", "head.2", "body.0"} <= set(form.types) - quantised
        assert not {"image", "output"} & set(form.types)


@pytest.mark.parametrize("wanted", ["fp32", "bf16"])
def test_in_other_precisions_the_rest_does_not_count(wanted):
    model, image = MODELS[0], random_image(20, 24)
    session, plain_session = (Session(model, 1, wanted, rest=rest, emulate=True) for rest in ("bf16", None))
    assert (session.precision, session.rest) == (plain_session.precision, plain_session.rest)
    assert session._planner.masked.types == plain_session._planner.masked.types
    np.testing.assert_array_equal(session.run(image).image, plain_session.run(image).image)
    assert prepare(model, "fp32", "bf16")[0].types == {}


def test_int8_that_falls_back_to_fp32_has_no_rest(monkeypatch):
    monkeypatch.setattr(_native, "has_fast_int8", lambda: False)
    session = Session(MODELS[0], precision="int8", rest="bf16")
    assert (session.precision, session.rest) == ("fp32", "fp32")


@pytest.mark.parametrize("rest", ["int8", "auto", ""])
def test_an_unknown_precision_of_the_rest_is_refused(rest):
    with pytest.raises(UsageError, match="rest must be one of fp32, bf16"):
        Session(MODELS[0], precision="int8", rest=rest, emulate=True)


def test_layers_without_scales_stay_in_fp32():
    model = with_int8(smsr(16, modules=1, layers=2, seed=1))
    nodes = tuple(
        replace(n, attrs={k: v for k, v in n.attrs.items() if k != INT8_SCALES.name})
        if n.output != "body.0.layer1"
        else n
        for n in model.graph.nodes
    )
    masked, _ = prepare(replace(model, graph=replace(model.graph, nodes=nodes)), "int8")
    assert set(masked.types) == {"body.0.layer0~u8"}


@RESTS
@pytest.mark.parametrize("index", range(len(MODELS)))
def test_int8_is_close_to_fp32(index, rest):
    """With all pixels active: logits of random weights are so close to the threshold that many masks would flip."""
    model = MODELS[index]
    dense = any(node.op == "spatial_mask" for node in model.graph.nodes)
    image = random_image(24, 20, np.float32, seed=3)
    exact = Session(model, 2).run(image, dense=dense).image
    short = int8(model, 2, rest).run(image, dense=dense).image
    error = np.sqrt(np.mean((exact - short) ** 2))
    assert 0 < error <= 0.1 * np.sqrt(np.mean((exact - exact.mean()) ** 2))


def test_borders_of_signed_maps_are_zero():
    """Beyond the border a map is zero, not the lowest of its values."""
    build = GraphBuilder(3)
    image = build.add("image", (), "image")
    signed = build.conv([image], "signed", 3, 16)
    again = build.conv([signed], "again", 16, 16)
    output = build.add("pixel_shuffle", [build.conv([again], "tail", 16, 12)], "output", scale=2)
    facts = Facts(name="signed", architecture="signed", scale=2)
    model = with_int8(ModelFile(facts, Graph("image", output, tuple(build.nodes)), build.tensors))
    image_hwc = random_image(16, 16, np.float32, seed=5)
    error = np.abs(Session(model, 1).run(image_hwc).image - int8(model).run(image_hwc).image)
    inner = error[4:-4, 4:-4].max()
    assert max(error[:2].max(), error[-2:].max(), error[:, :2].max(), error[:, -2:].max()) < 3 * inner


@RESTS
@pytest.mark.parametrize("effort", [0.0, 0.4, 1.0])
def test_inactive_pixels_are_as_in_fp32(effort, rest):
    """A masked network in int8 and fp32 agree if their masks do: with effort 0 and 1 they must."""
    model = with_int8(smsr(16, modules=2, layers=3, seed=2))
    image = random_image(30, 34, np.float32, seed=4)
    exact = Session(model, 1).run(image, effort=effort, keep_masks=True)
    short = int8(model, rest=rest).run(image, effort=effort, keep_masks=True)
    same = [np.mean(a == b) for a, b in zip(exact.masks, short.masks, strict=True)]
    assert min(same) > 0.9
    if effort != 0.4:
        assert np.abs(exact.image - short.image).mean() < 0.05 * exact.image.std()


@RESTS
@pytest.mark.parametrize("threads", [1, 2])
def test_copies_of_earlier_images_are_never_read(threads, rest):
    """Only active pixels and their border are copied; a second image finds the copies of the first one elsewhere."""
    model = with_int8(residual_blocks())
    first, second = (random_image(30, 34, np.float32, seed=seed) for seed in (1, 2))
    used = int8(model, threads, rest)
    used.run(first, effort=1.0)
    assert np.array_equal(used.run(second).image, int8(model, rest=rest).run(second).image)


def test_copies_of_a_trunk_are_made_where_they_are_read():
    masked, dense = prepare(with_int8(residual_blocks()), "int8")
    inactive = {name: copy.inactive for name, copy in masked.copies.items()}
    assert inactive["block0"] == inactive["block1"] == ZeroFill.BORDER, "read around active pixels"
    assert inactive["head"] == ZeroFill.EVERYWHERE, "written at every pixel"
    plan = make_execution_plan(masked.typed, Grid(30, 34, 2), 4, False, NATIVE_LAYOUT, masked.types)
    places = plan.segments[0].places
    assert places["block0~u8"].buffer == places["block1~u8"].buffer
    assert set(dense.copies) >= {"block0", "block1", "head"}


def test_steps_that_saturate_give_plausible_results():
    model = with_int8(plain())
    narrow = replace(
        model,
        graph=replace(
            model.graph,
            nodes=tuple(
                replace(n, attrs={**n.attrs, INT8_SCALES.name: [s / 1000 for s in INT8_SCALES.of(n)]})
                if INT8_SCALES.of(n)
                else n
                for n in model.graph.nodes
            ),
        ),
    )
    assert np.isfinite(int8(narrow).run(random_image(9, 9, np.float32)).image).all()


@RESTS
@pytest.mark.parametrize("isa", _native.cpu_features())
def test_int8_layers_are_alike_with_every_instruction_set(isa, rest):
    """Only fp32 layers differ in the last bits, which can move a value to the next step."""
    model = with_int8(plain())
    image = random_image(20, 24, np.float32, seed=3)
    expected = int8(model, rest=rest).run(image).image
    before = _native.set_cpu(isa)
    try:
        found = int8(model, rest=rest).run(image).image
    finally:
        _native.set_cpu(before)
    assert np.abs(found - expected).max() < 0.02 * np.abs(expected).max()


def test_a_model_without_scales_is_refused(monkeypatch):
    monkeypatch.setattr(_native, "has_fast_int8", lambda: True)
    with pytest.raises(UsageError, match="no scales for int8"):
        Session(plain(), precision="int8")
    monkeypatch.setattr(_native, "has_fast_int8", lambda: False)
    session = Session(plain(), precision="int8")
    assert session.precision == "fp32" and "no int8 instructions" in session.precision_reason
    assert "int8" not in supported_precisions(plain()) and "int8" in supported_precisions(MODELS[0])


def costing(worst_db: float) -> PrecisionCost:
    return PrecisionCost(2, 36.0, worst_db / 2, worst_db, "an image")


@pytest.mark.parametrize(
    ("gains", "bf16", "int8", "expected", "reason"),
    [
        (
            {"bf16": 0.5, "int8": 4.0},
            0.0,
            0.03,
            "int8",
            "int8 costs at most 0.0300 dB, not more than 0.03 dB",
        ),
        ({"bf16": 0.5, "int8": 4.0}, 0.0, 0.0301, "fp32", "int8 costs at most 0.0301 dB, more than 0.03 dB"),
        ({"bf16": 0.5, "int8": 4.0}, 0.0, None, "fp32", "does not say what int8 costs"),
        ({"bf16": 16.0, "int8": 4.0}, 0.0, 0.0, "bf16", "bf16 costs"),
        ({"bf16": 16.0, "int8": 4.0}, 0.02, 0.0, "int8", "int8 costs"),
        ({"bf16": 0.5, "int8": 1.2}, 0.0, 0.0, "fp32", "int8 multiplies 1.2 times as fast"),
    ],
)
def test_auto_takes_the_fastest_that_keeps_the_quality(monkeypatch, gains, bf16, int8, expected, reason):
    for name in ("has_fast_bf16", "has_fast_int8"):
        monkeypatch.setattr(_native, name, lambda: True)
    monkeypatch.setattr(precision, "gain", gains.__getitem__)
    facts = MODELS[0].facts.with_costs("bf16", [costing(bf16)])
    facts = facts.with_costs("int8", [] if int8 is None else [costing(int8)])
    session = Session(replace(MODELS[0], facts=facts), precision="auto")
    assert session.precision == expected and reason in session.precision_reason


def test_auto_needs_scales(monkeypatch):
    monkeypatch.setattr(_native, "has_fast_int8", lambda: True)
    monkeypatch.setattr(_native, "has_fast_bf16", lambda: False)
    session = Session(plain(), precision="auto")
    assert session.precision == "fp32" and "no scales for int8" in session.precision_reason


@RESTS
@pytest.mark.parametrize("low_memory", [False, True])
@pytest.mark.parametrize("index", range(len(MODELS)))
def test_memory_is_as_peak_bytes_says(index, low_memory, rest):
    check_peak_is_allocated(int8(MODELS[index], rest=rest), low_memory)
    check_peak_without_full_plan(int8(MODELS[index], rest=rest), low_memory)


SESSIONS, PARALLEL = (
    [int8(model, threads, rest) for rest in ("fp32", "bf16") for model in MODELS] for threads in (1, 2)
)


@settings(max_examples=100, deadline=None)
@given(index=st.integers(0, len(SESSIONS) - 1), **WAYS_TO_RUN)
def test_bands_and_threads_change_no_bit(index, **way):
    check_same_bits(SESSIONS[index], PARALLEL[index], **way)
