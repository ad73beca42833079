"""bf16: which maps, how far from fp32, and that bands and threads change no bit there either."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphs import plain, smsr
from runtime.random_graphs import at_every_size, halves, only_bicubic, picture, shared_mask, tokens
from sparsesr import _native
from sparsesr.errors import UsageError
from sparsesr.modelfile.validation import type_graph
from sparsesr.runtime import precision
from sparsesr.runtime.session import Session

MODELS = [smsr(16, modules=3, layers=2, seed=1), plain(), shared_mask(), halves(), at_every_size(), tokens()]
needs_bf16 = pytest.mark.skipif(not _native.has_fast_bf16(), reason="this processor has no bf16 instructions")


def typed(model):
    return type_graph(model.graph, {name: tensor.shape for name, tensor in model.tensors.items()})


def test_smsr_keeps_pictures_and_logits_in_fp32():
    entries = typed(smsr(16, modules=3, layers=2, seed=1))
    chosen = precision.bf16_maps(entries, "bf16")
    exact = {e.node.op for e in entries if e.output.kind.value == "map" and e.node.output not in chosen}
    assert exact == {"image", "conv_transpose2x", "conv2d", "bicubic_upsample", "pixel_shuffle"}
    (tail,) = (e for e in entries if e.node.op == "conv2d" and e.node.output not in chosen)
    assert tail.output.channels == 12
    assert not precision.bf16_maps(entries, "fp32")


@pytest.mark.parametrize("model", MODELS)
def test_who_reads_and_writes_bf16_can(model):
    """Every op gets maps of the types that its kernels take."""
    entries = typed(model)
    chosen = precision.bf16_maps(entries, "bf16")
    for entry in entries:
        touched = [n for n, v in zip(entry.node.inputs, entry.inputs, strict=True) if v.kind.value == "map"]
        if chosen.intersection(touched):
            assert entry.node.op in ("conv2d", "masked_conv2d", "conv_transpose2x", "avg_pool2x2",
                                     "global_mean", "scale_add")  # fmt: skip


@pytest.mark.parametrize(("gain", "expected"), [(2.0, "bf16"), (1.0, "fp32"), (0.5, "fp32")])
@needs_bf16
def test_auto_takes_the_faster_one(monkeypatch, gain, expected):
    monkeypatch.setattr(precision, "bf16_gain", lambda: gain)
    assert Session(MODELS[0], threads=1, precision="auto").precision == expected
    assert Session(MODELS[0], threads=1, precision="bf16").precision == "bf16"
    assert Session(MODELS[0], threads=1).precision == "fp32"


def test_without_the_instructions_all_is_fp32(monkeypatch):
    monkeypatch.setattr(_native, "has_fast_bf16", lambda: False)
    assert precision.resolve("bf16") == precision.resolve("auto") == "fp32"


def test_a_model_that_gains_nothing_says_fp32():
    assert Session(only_bicubic(), threads=1, precision="bf16").precision == "fp32"


def test_unknown_precision_is_refused():
    with pytest.raises(UsageError, match="must be one of auto, fp32, bf16"):
        Session(MODELS[0], precision="fp16")


@needs_bf16
@pytest.mark.parametrize("model", MODELS)
def test_bf16_is_close_to_fp32(model):
    """With every pixel active: masks of random weights lie so close to the threshold that many would flip."""
    dense = any(node.op == "spatial_mask" for node in model.graph.nodes)
    image = picture(24, 20, np.float32, seed=3)
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


@needs_bf16
@settings(max_examples=60, deadline=None)
@given(
    index=st.integers(0, len(MODELS) - 1),
    height=st.integers(1, 40),
    width=st.integers(1, 24),
    band_rows=st.integers(1, 50),
    low_memory=st.booleans(),
    dense=st.booleans(),
)
def test_bands_and_threads_change_no_bit(index, height, width, band_rows, low_memory, dense):
    image = picture(height, width, np.uint16, seed=height)
    one, two = (Session(MODELS[index], threads=threads, precision="bf16") for threads in (1, 2))
    whole = one.run(image, out_dtype=np.float32, band_rows=height, dense=dense)
    banded = two.run(image, out_dtype=np.float32, band_rows=band_rows, low_memory=low_memory, dense=dense)
    np.testing.assert_array_equal(banded.image, whole.image)
