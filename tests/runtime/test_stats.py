"""Statistics of a run."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from graphs import plain, smsr
from runtime.random_graphs import random_image
from sparsesr.runtime.graph.cost import count_macs, paper_density
from sparsesr.runtime.session import Session

MODEL = smsr(16, modules=2, layers=3, seed=3)
IMAGE = random_image(23, 31)


def test_densities_are_those_of_the_masks():
    image = random_image(24, 30)
    result = Session(MODEL).run(image, keep_masks=True)
    assert result.masks is not None
    assert list(result.stats.densities) == ["body.0.mask", "body.1.mask"]
    for mask, density in zip(result.masks, result.stats.densities.values(), strict=True):
        assert mask.shape == (24, 30)
        assert mask.mean() == pytest.approx(density)
    assert result.stats.density == paper_density(MODEL, result.stats.densities)


def test_multiply_adds_are_counted_on_the_padded_image():
    stats = Session(MODEL).run(IMAGE).stats
    cost = count_macs(MODEL, 24, 32, stats.densities)
    assert (stats.macs, stats.macs_dense) == (cost.macs, cost.macs_dense)
    assert stats.macs_saved_fraction == pytest.approx(cost.saved_fraction)
    with_others = {
        "upsampled",
        *(f"{name}.5" for name in stats.densities),
    }  # with the output, and with the masks
    names = [node.name for node in MODEL.graph.nodes if node.output not in with_others]
    assert [layer.name for layer in stats.layers] == names
    layers = {layer.name: layer for layer in stats.layers}
    assert layers["body.1.layer2"].density == stats.densities["body.1.mask"]
    assert layers["head.0"].density is None


def test_times_add_up():
    stats = Session(MODEL).run(IMAGE, band_rows=4).stats
    assert all(layer.ms > 0 for layer in stats.layers)
    assert sum(layer.ms for layer in stats.layers) <= stats.total_ms


def test_a_dense_run_computes_no_masks():
    result = Session(MODEL).run(IMAGE, dense=True, keep_masks=True)
    stats = result.stats
    assert stats.macs == stats.macs_dense
    assert stats.density == 1
    assert stats.macs_saved_fraction == 0
    assert not any(".mask" in layer.name for layer in stats.layers)
    assert {layer.op for layer in stats.layers} >= {"masked_conv2d"}
    assert all(mask.all() and mask.shape == (23, 31) for mask in result.masks or [])


def test_a_model_without_masks():
    result = Session(plain()).run(IMAGE, keep_masks=True)
    assert result.masks == []
    assert result.attention == {}
    assert result.stats.densities == {}
    assert result.stats.density == 1


def test_masks_are_only_kept_on_request():
    assert Session(MODEL).run(IMAGE).masks is None


def test_the_attention_used_is_returned():
    vectors = Session(MODEL).run(IMAGE).attention
    assert list(vectors) == ["body.0.ca", "body.1.ca"]
    assert all(vector.shape == (16,) and vector.dtype == np.float32 for vector in vectors.values())


def test_times_come_from_the_given_clock():
    ticks = itertools.count()
    session = Session(plain(), threads=1, clock=lambda: float(next(ticks)))
    stats = session.run(np.zeros((8, 8, 3), np.uint8), band_rows=8).stats
    assert all(layer.ms >= 1000 and layer.ms % 1000 == 0 for layer in stats.layers)
    assert stats.total_ms > sum(layer.ms for layer in stats.layers)  # a tick at both ends of the run


def test_waits_are_those_of_several_threads():
    alone = Session(MODEL, 1).run(IMAGE).stats
    assert (alone.waits, alone.wait_ms) == (0, 0.0)
    assert alone.one_thread_ms == pytest.approx(alone.total_ms)
    together = Session(MODEL, 2).run(IMAGE, band_rows=4).stats
    assert together.waits > len(together.layers), "several bands, with a call per layer"
    assert 0 < together.wait_ms <= 2 * together.total_ms
    assert 0 < together.one_thread_ms < together.total_ms
