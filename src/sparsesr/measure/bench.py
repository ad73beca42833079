"""Times a model on a picture: dense against sparse, layer by layer, and beside anything else that is given.

Clocks change from second to second, so everything is run in turns (each round runs everything once, the
multiply-add peak included), and medians over the rounds are compared.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from sparsesr import _native
from sparsesr.runtime.run_state import Image
from sparsesr.runtime.session import RunResult, Session
from sparsesr.runtime.stats import LayerStats

Clock = Callable[[], float]
_PEAK_MS = 30
_PEAK_TYPES = {"fp32": "f32", "bf16": "bf16"}
SPARSE, DENSE = "sparse", "dense"


@dataclass(frozen=True)
class LayerTimes:
    """One layer, dense and sparse. Times are medians in milliseconds; MACs are multiply-adds."""

    name: str
    op: str
    dense_ms: float | None
    """None for what a dense run does not compute: the mask heads."""
    sparse_ms: float
    density: float | None
    """Fraction of pixels computed in full; None for layers without a mask."""
    macs_dense: int
    macs: int
    """Really computed in the sparse run."""
    gflops: float
    """Of the sparse run, on active work only (2 per multiply-add)."""
    peak_share: float
    """Of the measured multiply-add peak."""


@dataclass(frozen=True)
class Benchmark:
    """What was measured. Times are medians over the rounds, in milliseconds."""

    ms: dict[str, float]
    """By run: ``dense``, ``sparse``, and the others that were given."""
    rounds_ms: dict[str, list[float]]
    """Every single time."""
    peak_gflops: float
    """Multiply-adds in registers, all threads, median over the rounds."""
    density: float
    """As the paper counts."""
    macs: int
    macs_dense: int
    """Of the dense run, so without the mask heads."""
    layers: list[LayerTimes]

    @property
    def ideal_ms(self) -> float:
        """Time of the sparse run if every multiply-add saved its share of the dense time."""
        return self.ms[DENSE] * self.macs / self.macs_dense

    @property
    def saving_realised(self) -> float:
        """Time saved as a share of the multiply-adds saved; 1 where skipping costs nothing."""
        saved_macs = 1 - self.macs / self.macs_dense
        return (1 - self.ms[SPARSE] / self.ms[DENSE]) / saved_macs if saved_macs > 0 else 0.0

    def peak_share(self, run: str) -> float:
        """Share of the peak that the sparse or the dense run reached on the work it did."""
        macs = self.macs if run == SPARSE else self.macs_dense
        return _gflops(macs, self.ms[run]) / self.peak_gflops


def interleaved(
    runs: Mapping[str, Callable[[], Any]], rounds: int, clock: Clock = time.perf_counter
) -> tuple[dict[str, list[float]], dict[str, list[Any]]]:
    """Run everything once to warm up, then ``rounds`` times in turns.

    Returns:
        Milliseconds and results of every run, by name.
    """
    for run in runs.values():
        run()
    times_ms: dict[str, list[float]] = {name: [] for name in runs}
    results: dict[str, list[Any]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start = clock()
            results[name].append(run())
            times_ms[name].append((clock() - start) * 1000)
    return times_ms, results


def benchmark(
    session: Session,
    image: Image,
    rounds: int,
    others: Mapping[str, Callable[[], Any]] | None = None,
    effort: float | None = None,
) -> Benchmark:
    """Measure a session on a picture, (H, W, 3).

    Args:
        session: the model; its threads are used for the peak too.
        image: the picture.
        rounds: how often everything is run.
        others: what else to run in turns, by name; other names than ``dense``, ``sparse`` and ``peak``.
        effort: of the sparse run.
    """
    session.keep_buffers(2 * session.peak_bytes(*image.shape[:2]))  # of both runs, as they take turns
    runs: dict[str, Callable[[], Any]] = {
        "peak": lambda: _native.multiply_add_peak(_PEAK_TYPES[session.precision], session.threads, _PEAK_MS),
        SPARSE: lambda: session.run(image, effort=effort),
        DENSE: lambda: session.run(image, dense=True),
        **(others or {}),
    }
    times_ms, results = interleaved(runs, rounds)
    peak_gflops = median(results["peak"])
    del times_ms["peak"]
    sparse: list[RunResult] = results[SPARSE]
    dense: list[RunResult] = results[DENSE]
    return Benchmark(
        {name: median(values) for name, values in times_ms.items()},
        times_ms,
        peak_gflops,
        sparse[0].stats.density,
        sparse[0].stats.macs,
        dense[0].stats.macs,
        _layers(sparse, dense, peak_gflops),
    )


def _layers(sparse: list[RunResult], dense: list[RunResult], peak_gflops: float) -> list[LayerTimes]:
    """Medians of every layer of the sparse run, beside those of the dense one."""
    by_name = {layer.name: layer for layer in _median_layers(dense)}
    rows: list[LayerTimes] = []
    for layer in _median_layers(sparse):
        same = by_name.get(layer.name)
        gflops = _gflops(layer.macs, layer.ms)
        rows.append(
            LayerTimes(
                layer.name,
                layer.op,
                None if same is None else same.ms,
                layer.ms,
                layer.density,
                layer.macs_dense,
                layer.macs,
                gflops,
                gflops / peak_gflops,
            )
        )
    return rows


def _median_layers(results: list[RunResult]) -> list[LayerStats]:
    """The layers of the first run, with the median times of all."""
    every = zip(*(result.stats.layers for result in results), strict=True)
    return [
        LayerStats(
            same[0].name,
            same[0].op,
            median(layer.ms for layer in same),
            same[0].density,
            same[0].macs_dense,
            same[0].macs,
        )
        for same in every
    ]


def _gflops(macs: int, ms: float) -> float:
    return 2 * macs / ms / 1e6 if ms > 0 else 0.0
