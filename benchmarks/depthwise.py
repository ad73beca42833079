"""Speed of the depthwise convolution as a share of the measured memory bandwidth.

    python benchmarks/depthwise.py [--threads N] [--repeats N] [--write NAME]

A depthwise layer does 9 multiply-adds per value that it reads and writes, so memory, not arithmetic, limits it. Each
repetition copies the same map with numpy (read once, written once: the measured bandwidth) and then convolves it; the
share is the median of these ratios. The copy writes large maps past the caches; the kernel, whose reader comes soon,
does not, so that the processor reads the output's memory first: two thirds are then all there is. *Whole maps* are
larger than the second-level cache; *bands* of 8 rows, as the runtime computes them, fit in it. Bytes are those of one
input and one output map.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import record

from sparsesr import _native as native

HEIGHT, WIDTH = 180, 320
BAND_ROWS = 8
CHANNELS = (64, 96, 128, 160, 256)
"""Hidden channels of TrilevelNAS' blocks: four times a width of 16 to 64."""
DTYPES = {"f32": np.float32, "bf16": np.uint16}
KERNELS = {"f32": "depthwise_conv3x3", "bf16": "depthwise_conv3x3_bf16"}


@dataclass
class Row:
    """One line of the table."""

    cpu: str
    dtype: str
    channels: int
    rows: int
    ms: float
    gb_per_s: float
    copy_gb_per_s: float
    share: float


def measure(cpu: str, dtype: str, channels: int, rows: int, threads: int, repeats: int) -> Row:
    """Median milliseconds, GB/s and share of the bandwidth of a copy, at one size."""
    x = np.zeros((rows + 2, WIDTH + 2, channels), DTYPES[dtype])
    values = np.random.default_rng(0).uniform(1, 2, channels).astype(np.float32)
    x[1:-1, 1:-1] = values if dtype == "f32" else values.view(np.uint32) >> 16
    out, copied = np.zeros_like(x), np.zeros_like(x)
    weights, bias = np.full((9, channels), 0.1, np.float32), np.zeros(channels, np.float32)

    def convolve() -> None:
        native.depthwise_conv3x3_rows(x, -1, weights, bias, "relu", bias, out, -1, 0, rows, threads)

    # Small maps repeat until the clock can measure them.
    times = max(1, HEIGHT // rows)
    moved = 2 * rows * WIDTH * channels * x.itemsize * times
    copies_s, runs_s = zip(
        *((_seconds(lambda: np.copyto(copied, x), times), _seconds(convolve, times)) for _ in range(repeats)),
        strict=True,
    )
    shares = [copy_s / run_s for copy_s, run_s in zip(copies_s, runs_s, strict=True)]
    run_s, copy_s = statistics.median(runs_s), statistics.median(copies_s)
    rates = moved / run_s * 1e-9, moved / copy_s * 1e-9
    return Row(cpu, dtype, channels, rows, run_s / times * 1e3, *rates, statistics.median(shares))


def _seconds(run: Callable[[], None], times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        run()
    return time.perf_counter() - start


def kernels() -> dict[str, str]:
    """The lowest instruction set of every depthwise kernel of this machine, by kernel."""
    found: dict[str, str] = {}
    for cpu in native.cpu_features():
        native.set_cpu(cpu)
        for name in KERNELS.values():
            found.setdefault(native.kernel_table()[name], cpu)
    native.set_cpu(None)
    return found


def main() -> None:
    """Measure all cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--write", help="name of the result to write")
    arguments = parser.parse_args()
    rows: list[Row] = []
    for cpu in dict.fromkeys(kernels().values()):
        native.set_cpu(cpu)
        for dtype, name in KERNELS.items():
            print(f"{native.kernel_table()[name]}, {arguments.threads} thread(s)")
            for channels in CHANNELS if cpu != native.cpu_features()[0] else CHANNELS[:1]:
                for count in (HEIGHT, BAND_ROWS):
                    row = measure(cpu, dtype, channels, count, arguments.threads, arguments.repeats)
                    rows.append(row)
                    print(
                        f"{row.channels:4} channels, {row.rows:3} rows {row.ms:9.3f} ms {row.gb_per_s:6.1f} GB/s, "
                        f"copy {row.copy_gb_per_s:6.1f} GB/s, share {row.share:6.1%}",
                        flush=True,
                    )
    if arguments.write:
        facts = record.circumstances("python benchmarks/depthwise.py")
        table = [asdict(row) for row in rows]
        print(record.write(arguments.write, {**facts, "threads": arguments.threads, "rows": table}))


if __name__ == "__main__":
    main()
