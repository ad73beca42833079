"""Benchmark of a model on an image: dense against sparse, layer by layer, beside other contenders.

The processor's multiply-add peak is measured in the same rounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from sparsesr import _native
from sparsesr.measure.latency import Contender, session_contender, time_in_turns
from sparsesr.runtime.backend.interface import Image
from sparsesr.runtime.precision import DTYPES
from sparsesr.runtime.session import RunResult, Session
from sparsesr.runtime.stats import LayerStats

_PEAK_MS = 30
_PEAK_TYPES = {"fp32": "f32", **DTYPES}
SPARSE, DENSE = "sparse", "dense"
_PEAK = "peak"


@dataclass(frozen=True)
class LayerTimes:
    """One layer, dense and sparse. Times are medians in milliseconds; MACs are multiply-adds."""

    name: str
    op: str
    dense_ms: float | None
    """None for layers that a dense run does not compute: the mask heads."""
    sparse_ms: float
    density: float | None
    """Fraction of active pixels; None for layers without a mask."""
    macs_dense: int
    macs: int
    """Computed in the sparse run."""
    gflops: float
    """GFLOP/s of the sparse run, on active work only (2 per multiply-add)."""
    peak_share: float
    """Share of the measured multiply-add peak."""
    map_bytes: int
    """Bytes of maps that the sparse run reads and writes, as planned (see ``runtime.graph.map_traffic``)."""


@dataclass(frozen=True)
class Waits:
    """Medians of what threads wait for each other in a run."""

    count: int
    """Calls of kernels at whose end all threads wait."""
    ms: float
    """Added up over the threads."""
    one_thread_ms: float
    """Time between these calls, when one thread works."""


@dataclass(frozen=True)
class Benchmark:
    """Result of a benchmark. Times are medians over the rounds, in milliseconds."""

    ms: dict[str, float]
    """By run: ``dense``, ``sparse``, and the names of ``others``."""
    rounds_ms: dict[str, list[float]]
    """Time of every round, by run."""
    peak_gflops: float
    """Multiply-add peak of all threads, from registers; median over the rounds."""
    density: float
    """Density as the paper counts it."""
    macs: int
    macs_dense: int
    """Multiply-adds of the dense run, which has no mask heads."""
    layers: list[LayerTimes]
    map_bytes: dict[str, int]
    """Of the sparse and the dense run: bytes of maps read and written by all layers, the mask heads among them."""
    waits: Waits
    """Of the sparse run."""

    @property
    def ideal_ms(self) -> float:
        """Time of the sparse run if each skipped multiply-add saved its share of the dense time."""
        return self.ms[DENSE] * self.macs / self.macs_dense

    @property
    def saving_realised(self) -> float:
        """Fraction of time saved / fraction of multiply-adds saved; 1 if skipping had no overhead."""
        saved_macs = 1 - self.macs / self.macs_dense
        return (1 - self.ms[SPARSE] / self.ms[DENSE]) / saved_macs if saved_macs > 0 else 0.0

    def peak_share(self, run: str) -> float:
        """Share of the peak that the sparse or dense run reached on the multiply-adds it computed."""
        macs = self.macs if run == SPARSE else self.macs_dense
        return _gflops(macs, self.ms[run]) / self.peak_gflops


def benchmark(
    session: Session,
    image: Image,
    rounds: int,
    others: Mapping[str, Contender] | None = None,
    effort: float | None = None,
) -> Benchmark:
    """Measure a session on an image, (H, W, 3).

    Args:
        session: the model; the peak is measured with the same number of threads.
        image: the image.
        rounds: number of timed rounds.
        others: further contenders by name; the names ``dense``, ``sparse`` and ``peak`` are taken.
        effort: effort of the sparse run.
    """
    session.keep_buffers(2 * session.peak_bytes(*image.shape[:2]))  # for both runs, which take turns
    runs = {
        SPARSE: session_contender(session, image, effort=effort),
        DENSE: session_contender(session, image, dense=True),
        **(others or {}),
    }
    timing = time_in_turns({_PEAK: _peak(session), **runs}, rounds)
    peak_gflops = median(timing.results[_PEAK])
    sparse: Sequence[RunResult] = timing.results[SPARSE]
    dense: Sequence[RunResult] = timing.results[DENSE]
    return Benchmark(
        {name: timing.ms(name) for name in runs},
        {name: list(timing.rounds_ms[name]) for name in runs},
        peak_gflops,
        sparse[0].stats.density,
        sparse[0].stats.macs,
        dense[0].stats.macs,
        _layers(sparse, dense, peak_gflops),
        {SPARSE: sparse[0].stats.map_bytes, DENSE: dense[0].stats.map_bytes},
        _waits(sparse),
    )


def _waits(results: Sequence[RunResult]) -> Waits:
    runs = [result.stats for result in results]
    return Waits(
        runs[0].waits, median(run.wait_ms for run in runs), median(run.one_thread_ms for run in runs)
    )


def _peak(session: Session) -> Contender:
    kind, threads = _PEAK_TYPES[session.precision], session.threads
    return Contender(lambda: _native.multiply_add_peak(kind, threads, _PEAK_MS), threads, session.precision)


def _layers(sparse: Sequence[RunResult], dense: Sequence[RunResult], peak_gflops: float) -> list[LayerTimes]:
    """Median times of every layer of the sparse run, beside those of the dense run."""
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
                layer.map_bytes,
            )
        )
    return rows


def _median_layers(results: Sequence[RunResult]) -> list[LayerStats]:
    """The layers of the first run, with median times over all runs."""
    every = zip(*(result.stats.layers for result in results), strict=True)
    return [
        LayerStats(
            same[0].name,
            same[0].op,
            median(layer.ms for layer in same),
            same[0].density,
            same[0].macs_dense,
            same[0].macs,
            same[0].map_bytes,
        )
        for same in every
    ]


def _gflops(macs: int, ms: float) -> float:
    return 2 * macs / ms / 1e6 if ms > 0 else 0.0
