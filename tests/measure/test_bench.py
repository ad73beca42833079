"""Benchmark of ``sparsesr bench``; no assertion depends on durations."""

from __future__ import annotations

import pytest

from graphs import smsr
from runtime.random_graphs import random_image
from sparsesr.measure.bench import DENSE, SPARSE, Benchmark, Waits, benchmark
from sparsesr.measure.latency import Contender
from sparsesr.runtime.session import Session


def test_derived_figures():
    result = Benchmark(
        {DENSE: 100.0, SPARSE: 60.0}, {}, 50.0, 0.4, 10**9, 2 * 10**9, [], {}, Waits(0, 0.0, 0.0)
    )
    assert result.ideal_ms == 50
    assert result.saving_realised == pytest.approx(0.8)
    assert result.peak_share(SPARSE) == pytest.approx(2e9 / 60e-3 / 1e9 / 50)
    assert result.peak_share(DENSE) == pytest.approx(0.8)
    unmasked = Benchmark(
        {DENSE: 100.0, SPARSE: 60.0}, {}, 50.0, 1.0, 10**9, 10**9, [], {}, Waits(0, 0.0, 0.0)
    )
    assert unmasked.saving_realised == 0


def test_layers_match_the_sparse_run():
    session, image = Session(smsr(16, modules=2, layers=2), 1), random_image(20, 24)
    others = []
    result = benchmark(session, image, 2, {"other": Contender(lambda: others.append(1), 1)})
    assert len(others) == 3
    assert set(result.ms) == set(result.rounds_ms) == {DENSE, SPARSE, "other"}
    assert [len(times) for times in result.rounds_ms.values()] == [2, 2, 2]
    stats = session.run(image).stats
    assert [row.name for row in result.layers] == [layer.name for layer in stats.layers]
    assert (result.macs, result.density) == (stats.macs, stats.density)
    dense = session.run(image, dense=True).stats
    assert result.macs_dense == dense.macs
    assert result.map_bytes == {SPARSE: stats.map_bytes, DENSE: dense.map_bytes}
    assert sum(row.map_bytes for row in result.layers) == stats.map_bytes
    layers = {row.name: row for row in result.layers}
    assert layers["body.0.mask.0"].dense_ms is None
    masked = layers["body.1.layer1"]
    assert masked.density == stats.densities["body.1.mask"]
    assert masked.dense_ms > 0
    assert masked.gflops == pytest.approx(2 * masked.macs / masked.sparse_ms / 1e6)
    assert masked.peak_share == pytest.approx(masked.gflops / result.peak_gflops)
