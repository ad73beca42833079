"""Speed of the native convolutions as a share of the processor's measured multiply-add peak.

    python benchmarks/kernels.py [--threads N] [--cpu avx2] [--dtype bf16] [--main] [--repeats N] [--write NAME]
                                 [--processor-time]

The cases are those of the tests (`tests/native/conv_cases.py`). Each repetition measures the peak and then the kernel,
so that a change of clock speed affects both; the share is the median of these ratios, on active work only.
``--processor-time`` leaves out the time of other programs, for one thread on a busy machine.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import record

from sparsesr import _native as native

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "native"))
from conv_cases import MAIN, SHAPES, BuiltConv, ConvCase, in_large_memory, masked

HEIGHT, WIDTH = 180, 320
PEAK_MS = 10


@dataclass
class Row:
    """One line of the table."""

    name: str
    mask: str
    density: float
    ms: float
    gflops: float
    share_of_peak: float


@dataclass(frozen=True)
class Settings:
    """Settings of a measurement."""

    threads: int
    repeats: int
    dtype: str
    clock: Callable[[], float]
    """Returns seconds."""


def measure(case: ConvCase, settings: Settings) -> Row:
    """Median milliseconds, GFLOP/s and share of the peak."""
    built = BuiltConv(case, settings.dtype, HEIGHT, WIDTH, in_large_memory)
    built.run(settings.threads)
    times_s: list[float] = []
    shares: list[float] = []
    for _ in range(settings.repeats):
        peak = native.multiply_add_peak(settings.dtype, threads=settings.threads, ms=PEAK_MS)
        start = settings.clock()
        built.run(settings.threads)
        times_s.append(settings.clock() - start)
        shares.append(built.flops / times_s[-1] * 1e-9 / peak)
    median_s = statistics.median(times_s)
    gflops = built.flops / median_s * 1e-9
    return Row(case.layer, case.mask, case.density, median_s * 1e3, gflops, statistics.median(shares))


def cases(*, only_main: bool) -> list[ConvCase]:
    """Return the main layers, dense and masked, then every other shape of our networks, dense."""
    main = [case for layer in MAIN for case in (layer, *masked(layer))]
    timed = [case for case in main if case.density > 0]
    return timed if only_main else [*timed, *SHAPES]


def main() -> None:
    """Measure all cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cpu", choices=native.cpu_features())
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument(
        "--dtype", choices=["f32", "bf16", "u8"], default="f32", help="number type of the maps"
    )
    parser.add_argument("--main", action="store_true", help="only the main layers")
    parser.add_argument("--write", help="name of the result to write")
    parser.add_argument("--processor-time", action="store_true", help="time of this process only")
    arguments = parser.parse_args()
    native.set_cpu(arguments.cpu)
    peak = native.multiply_add_peak(arguments.dtype, threads=arguments.threads, ms=300)
    kernel = native.kernel_table()["conv" if arguments.dtype == "f32" else f"conv_{arguments.dtype}"]
    print(f"{kernel}, {arguments.threads} thread(s), peak {peak:.1f} GFLOP/s")
    clock = time.process_time if arguments.processor_time else time.perf_counter
    settings = Settings(arguments.threads, arguments.repeats, arguments.dtype, clock)
    rows: list[Row] = []
    for case in cases(only_main=arguments.main):
        row = measure(case, settings)
        rows.append(row)
        print(
            f"{row.name:<24} {row.mask:<7} {row.density:5.2f} {row.ms:9.3f} ms {row.gflops:7.1f} GFLOP/s "
            f"{row.share_of_peak:6.1%} of peak",
            flush=True,
        )
    if arguments.write:
        facts = {
            **record.circumstances("python benchmarks/kernels.py"),
            "threads": arguments.threads,
            "precision": arguments.dtype,
            "clock": clock.__name__,
            "kernel": kernel,
            "peak_gflops": peak,
        }
        print(record.write(arguments.write, {**facts, "rows": [asdict(row) for row in rows]}))


if __name__ == "__main__":
    main()
