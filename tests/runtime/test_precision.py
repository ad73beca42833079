"""bf16: which maps use it, how far it is from fp32, and that bands and threads change no bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphs import plain, smsr
from processors import needs_bf16
from runtime.banding import (
    WAYS_TO_RUN,
    check_peak_is_allocated,
    check_peak_without_full_plan,
    check_same_bits,
)
from runtime.random_graphs import one_of_each, only_bicubic, random_image
from sparsesr import _native
from sparsesr.errors import UsageError
from sparsesr.modelfile.precision_cost import PrecisionCost
from sparsesr.modelfile.validation import type_graph
from sparsesr.runtime import precision
from sparsesr.runtime.graph.number_types import bf16_maps
from sparsesr.runtime.graph.precision_work import PrecisionWork, precision_work
from sparsesr.runtime.graph.prepared import fused_graph
from sparsesr.runtime.session import Session

MODELS = [
    smsr(16, modules=3, layers=2, seed=1),
    *(model for name, model in one_of_each().items() if name != "only_bicubic"),  # it runs entirely in fp32
]


def typed(model):
    return type_graph(model.graph, {name: tensor.shape for name, tensor in model.tensors.items()})


def test_smsr_keeps_images_and_logits_in_fp32():
    entries = typed(smsr(16, modules=3, layers=2, seed=1))
    chosen = bf16_maps(entries)
    exact = {e.node.op for e in entries if e.output.kind.value == "map" and e.node.output not in chosen}
    assert exact == {"image", "conv_transpose2x", "conv2d", "bicubic_upsample", "pixel_shuffle"}
    (tail,) = (e for e in entries if e.node.op == "conv2d" and e.node.output not in chosen)
    assert tail.output.channels == 12


WITH_BF16_KERNELS = frozenset(
    {
        *("conv2d", "masked_conv2d", "conv_transpose2x", "avg_pool2x2", "global_mean", "scale_add", "add"),
        *("depthwise_conv3x3", "nearest_upsample"),
    }
)


@pytest.mark.parametrize("model", MODELS)
def test_only_operations_with_bf16_kernels_read_or_write_bf16(model):
    """Every operation gets maps of types that its kernels support."""
    entries = typed(model)
    chosen = bf16_maps(entries)
    for entry in entries:
        touched = [n for n, v in zip(entry.node.inputs, entry.inputs, strict=True) if v.kind.value == "map"]
        if chosen.intersection(touched):
            assert entry.node.op in WITH_BF16_KERNELS


def costing(worst_db: float, scale: int = 2) -> PrecisionCost:
    return PrecisionCost(scale, 36.0, worst_db / 2, worst_db, "an image")


@pytest.mark.parametrize(
    ("gain", "cost", "expected", "reason"),
    [
        (2.0, costing(0.0099), "bf16", "bf16 costs at most 0.0099 dB, not more than 0.01 dB"),
        (2.0, costing(0.01), "bf16", "not more"),
        (2.0, costing(-0.02), "bf16", "at most 0.0000 dB"),
        (2.0, costing(0.0101), "fp32", "bf16 costs at most 0.0101 dB, more than 0.01 dB"),
        (2.0, None, "fp32", "does not say what bf16 costs"),
        (1.0, costing(0.0), "fp32", "bf16 multiplies 1.0 times as fast"),
        (0.5, None, "fp32", "bf16 multiplies 0.5 times as fast"),
    ],
)
def test_auto_takes_bf16_where_it_is_faster_and_keeps_the_quality(monkeypatch, gain, cost, expected, reason):
    monkeypatch.setattr(_native, "has_fast_bf16", lambda: True)
    monkeypatch.setattr(precision, "gain", lambda _: gain)
    model = MODELS[0]
    model = replace(model, facts=replace(model.facts, bf16_costs=() if cost is None else (cost,)))
    session = Session(model, threads=1, precision="auto")
    assert session.precision == expected and reason in session.precision_reason
    assert Session(model, threads=1, precision="bf16").precision == "bf16"
    assert Session(model, threads=1).precision == "fp32"


def test_auto_uses_the_cost_at_the_scale_that_is_run(monkeypatch):
    monkeypatch.setattr(_native, "has_fast_bf16", lambda: True)
    monkeypatch.setattr(precision, "gain", lambda _: 2.0)
    model = smsr(16, modules=2, layers=2, scale=3)
    for scale, expected in ((2, "fp32"), (3, "bf16")):
        costs = (costing(0.0, scale),)
        facts = replace(model.facts, bf16_costs=costs)
        assert Session(replace(model, facts=facts), precision="auto").precision == expected


def test_without_the_instructions_everything_is_fp32(monkeypatch):
    monkeypatch.setattr(_native, "has_fast_bf16", lambda: False)
    monkeypatch.setattr(_native, "has_fast_int8", lambda: False)
    facts = MODELS[0].facts.with_costs("bf16", [costing(0.0)])
    for wanted in ("bf16", "auto"):
        choice = precision.choose_precision(wanted, facts)
        assert choice.precision == "fp32" and "this processor has no bf16 instructions" in choice.reason


@pytest.mark.parametrize("isa", [isa for isa in _native.cpu_features() if isa not in ("avx512_bf16", "amx")])
def test_bf16_can_be_emulated_to_measure_it(isa):
    """Plain kernels round like the instructions; only the order of summation differs."""
    session = Session(plain(), threads=2, precision="bf16", emulate=True)
    image = random_image(20, 24, np.float32, seed=3)
    expected, exact = session.run(image).image, Session(plain(), threads=2).run(image).image
    before = _native.set_cpu(isa)
    try:
        emulated = Session(plain(), threads=2, precision="bf16", emulate=True)
        assert emulated.precision == "bf16"
        assert Session(plain(), threads=2, precision="bf16").precision == "fp32"
        error = np.abs(emulated.run(image).image - expected).mean()
    finally:
        _native.set_cpu(before)
    assert error < 0.2 * np.abs(expected - exact).mean()


def test_a_model_without_bf16_layers_runs_in_fp32():
    assert Session(only_bicubic(), threads=1, precision="bf16").precision == "fp32"


def test_unknown_precision_is_refused():
    with pytest.raises(UsageError, match="must be one of auto, fp32, bf16"):
        Session(MODELS[0], precision="fp16")


@needs_bf16
@pytest.mark.parametrize("model", MODELS)
def test_bf16_is_close_to_fp32(model):
    """With all pixels active: logits of random weights are so close to the threshold that many masks would flip."""
    dense = any(node.op == "spatial_mask" for node in model.graph.nodes)
    image = random_image(24, 20, np.float32, seed=3)
    exact, short = (
        Session(model, threads=2, precision=wanted).run(image, dense=dense).image
        for wanted in ("fp32", "bf16")
    )
    error = np.sqrt(np.mean((exact - short) ** 2))
    assert error <= 0.02 * np.sqrt(np.mean((exact - exact.mean()) ** 2)) + 1e-6


@needs_bf16
def test_bf16_takes_about_half_the_memory():
    exact, short = (Session(MODELS[0], precision=wanted).peak_bytes(400, 400) for wanted in ("fp32", "bf16"))
    assert short < 0.75 * exact


def bf16(model, threads: int) -> Session:
    """A session in bf16, also on processors without the instructions."""
    return Session(model, threads, "bf16", emulate=True)


def test_bands_are_twice_as_high_where_maps_take_half():
    """Only for 64 channels: in a narrow network an fp32 map has the longest rows."""
    exact, short = Session(smsr()), bf16(smsr(), 1)
    for width in (240, 480, 960):
        rows, taller = (s._planner.default_band_rows(s._planner.grid(320, width)) for s in (exact, short))
        assert rows >= 4 and 2 * rows <= taller <= 2 * rows + 2


@pytest.mark.parametrize("low_memory", [False, True])
@pytest.mark.parametrize("index", range(len(MODELS)))
def test_memory_is_as_peak_bytes_says(index, low_memory):
    check_peak_is_allocated(bf16(MODELS[index], 1), low_memory)
    check_peak_without_full_plan(bf16(MODELS[index], 1), low_memory)


SESSIONS, PARALLEL = ([bf16(model, threads) for model in MODELS] for threads in (1, 2))


@settings(max_examples=60, deadline=None)
@given(index=st.integers(0, len(MODELS) - 1), **WAYS_TO_RUN)
def test_bands_and_threads_change_no_bit(index, **way):
    check_same_bits(SESSIONS[index], PARALLEL[index], **way)


def test_gains_of_another_process_decide(monkeypatch):
    """As on a cluster, where one machine has no instructions for the fastest precision."""
    monkeypatch.setattr(precision, "_adopted", {})
    monkeypatch.setattr(precision, "has_instructions", lambda _: True)
    facts = replace(MODELS[0].facts, bf16_costs=(costing(0.0),))
    precision.adopt_gains({"bf16": 2.0, "int8": 0.0})
    assert precision.gains() == {"bf16": 2.0, "int8": 0.0}
    assert precision.choose_precision("auto", facts).precision == "bf16"
    precision.adopt_gains({"bf16": 0.0})
    choice = precision.choose_precision("auto", facts)
    assert choice.precision == "fp32" and "not all processors at work have bf16 instructions" in choice.reason


def test_gains_are_measured_in_turns_and_the_best_count(monkeypatch):
    """A processor that is slowed during one measurement does not change the choice."""
    rates = {"f32": [40.0, 100.0], "bf16": [300.0, 250.0], "u8": [800.0, 90.0]}
    monkeypatch.setattr(precision, "_adopted", {})
    monkeypatch.setattr(precision, "has_instructions", lambda _: True)
    monkeypatch.setattr(_native, "multiply_add_peak", lambda dtype, *_: rates[dtype].pop(0))
    precision._peaks.cache_clear()
    try:
        assert precision.gains() == {"bf16": 3.0, "int8": 8.0}
    finally:
        precision._peaks.cache_clear()


def test_what_lasts_of_a_choice_does_not_depend_on_measurements():
    first, second = (precision.lasting_choice("auto", {"bf16": gain, "int8": 0.0}) for gain in (1.0, 2.0))
    assert first == second == {"precision": "auto", "instructions": ["bf16"]}
    assert precision.lasting_choice("auto", {"bf16": 2.0, "int8": 2.0}) != first


TILES = {"bf16": 16.0, "int8": 32.0}
"""Gains with AMX."""


def chosen(monkeypatch, gains, works, bf16_db=0.0, int8_db=0.0):
    monkeypatch.setattr(precision, "has_instructions", lambda _: True)
    monkeypatch.setattr(precision, "gain", gains.__getitem__)
    facts = MODELS[0].facts.with_costs("bf16", [costing(bf16_db)]).with_costs("int8", [costing(int8_db)])
    return precision.choose_precision("auto", facts, works)


@pytest.mark.parametrize(("share", "expected"), [(1.0, "int8"), (0.9, "int8"), (0.4, "int8"), (0.05, "bf16")])
def test_auto_takes_what_runs_the_whole_network_fastest(monkeypatch, share, expected):
    """int8 is twice as fast as bf16 here, and leaves the rest to bf16; for little it is not worth its loss."""
    works = {"bf16": PrecisionWork(1.0), "int8": PrecisionWork(share)}
    choice = chosen(monkeypatch, TILES, works)
    assert choice.precision == expected and choice.rest == ("bf16" if expected == "int8" else "fp32")
    assert "times as fast as in" in choice.reason


@pytest.mark.parametrize(("channels", "expected"), [(32, "bf16"), (64, "int8")])
def test_narrow_layers_that_copy_their_results_stay_in_bf16(monkeypatch, channels, expected):
    """Of a residual block of two 3x3 convolutions, the second writes a copy, too."""
    per_value = 1 / (9 * channels)
    works = {
        "bf16": PrecisionWork(1.0, per_value),
        "int8": PrecisionWork(1.0, per_value, per_value / 2),
    }
    assert chosen(monkeypatch, TILES, works).precision == expected


@pytest.mark.parametrize(
    ("gains", "bf16_db", "int8_db", "rest"),
    [
        (TILES, 0.01, 0.02, "bf16"),
        (TILES, 0.011, 0.02, "fp32"),
        (TILES, -0.5, 0.03, "bf16"),
        ({"bf16": 2.0, "int8": 8.0}, 0.0, 0.0, "fp32"),
    ],
)
def test_auto_leaves_the_rest_to_bf16_if_both_keep_the_quality(monkeypatch, gains, bf16_db, int8_db, rest):
    choice = chosen(monkeypatch, gains, precision.ALL_OF_IT, bf16_db, int8_db)
    assert (choice.precision, choice.rest) == ("int8", rest)


def test_int8_that_was_asked_for_leaves_the_rest_to_bf16_where_it_is_faster(monkeypatch):
    monkeypatch.setattr(precision, "has_instructions", lambda _: True)
    monkeypatch.setattr(precision, "gain", TILES.__getitem__)
    facts = MODELS[0].facts
    choice = precision.choose_precision("int8", facts)
    assert choice.rest == "bf16" and choice.reason == "it was asked for; the rest is in bf16"
    assert precision.choose_precision("int8", facts, {"int8": PrecisionWork(0.5)}).rest == "fp32"
    assert precision.choose_precision("int8", facts, emulate=True).rest == "fp32"


def test_work_counts_multiply_adds_and_values_of_a_precision():
    """Of 3 to 8 and 8 to 12 channels, 216 and 864 per pixel, only the second reads a map that can be in bf16."""
    work = precision_work(plain(), fused_graph(plain()))
    assert work == {"bf16": PrecisionWork(pytest.approx(0.8), pytest.approx(12 / 1080))}
