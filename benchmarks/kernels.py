"""Speed of the native convolutions as a share of the processor's measured multiply-add peak.

    python benchmarks/kernels.py [--threads N] [--cpu avx2] [--repeats N] [--write NAME]

Each repetition measures the peak and then the kernel, so that a change of the clock hits both; the share
is the median of these ratios, on active work only. Two kinds of mask: `random` pixels (the hardest case
for caches) and `edges`, thin curves such as networks learn.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import record
from numpy.typing import NDArray

from sparsesr import _native as native

HEIGHT, WIDTH = 180, 320
DENSITIES = [0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0]
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


def random_mask(rng: np.random.Generator, density: float) -> NDArray[np.bool_]:
    """Independent pixels."""
    values = rng.random((HEIGHT, WIDTH))
    return values <= np.quantile(values, density)


def edge_mask(rng: np.random.Generator, density: float) -> NDArray[np.bool_]:
    """Curves: where smooth noise is close to zero."""
    noise = rng.standard_normal((HEIGHT, WIDTH))
    frequency = np.hypot(np.fft.fftfreq(HEIGHT)[:, None], np.fft.fftfreq(WIDTH)[None])
    smooth = np.abs(np.fft.ifft2(np.fft.fft2(noise) * np.exp(-((frequency * 20) ** 2))).real)
    return smooth <= np.quantile(smooth, density)


def pixel_numbers(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Pixel list of a mask, in raster order."""
    rows, columns = np.nonzero(mask)
    return (rows * (WIDTH + 2) + columns + 1).astype(np.int32)


def window(
    rng: np.random.Generator | None, channels: int, dtype: str
) -> NDArray[np.float32] | NDArray[np.uint16]:
    """A window of the whole map, random or empty."""
    values = np.zeros((HEIGHT + 2, WIDTH + 2, (channels + 15) // 16 * 16), np.float32)
    if rng is not None:
        values[1:-1, 1:-1, :channels] = rng.standard_normal((HEIGHT, WIDTH, channels))
    return values if dtype == "f32" else (values.view(np.uint32) >> 16).astype(np.uint16)


@dataclass(frozen=True)
class Way:
    """How to measure."""

    threads: int
    repeats: int
    dtype: str


def measure(run: Callable[[], None], flops: float, way: Way) -> tuple[float, float, float]:
    """Median milliseconds, GFLOP/s and share of the peak."""
    run()
    times_s: list[float] = []
    shares: list[float] = []
    for _ in range(way.repeats):
        peak = native.multiply_add_peak(way.dtype, threads=way.threads, ms=PEAK_MS)
        start = time.perf_counter()
        run()
        times_s.append(time.perf_counter() - start)
        shares.append(flops / times_s[-1] * 1e-9 / peak)
    median_s = statistics.median(times_s)
    return median_s * 1e3, flops / median_s * 1e-9, statistics.median(shares)


class Bench:
    """One convolution at several densities."""

    def __init__(self, c_in: int, c_out: int, kernel: int, way: Way) -> None:
        self.rng = np.random.default_rng(1)
        self.name = f"{kernel}x{kernel} {c_in}->{c_out}"
        weight = self.rng.standard_normal((c_out, c_in, kernel, kernel)).astype(np.float32) * 0.05
        self.packed = native.PackedConv(weight, np.zeros(c_out, np.float32), [c_in], way.dtype)
        self.inputs = [(window(self.rng, c_in, way.dtype), -1)]
        self.out = window(None, c_out, way.dtype)
        self.flops_per_pixel = 2.0 * c_in * c_out * kernel * kernel
        self.way = way

    def dense(self) -> Row:
        """Every pixel, through conv_rows."""

        def run() -> None:
            native.conv_rows(
                self.packed, self.inputs, self.out, -1, 0, HEIGHT, "relu", threads=self.way.threads
            )

        flops = self.flops_per_pixel * HEIGHT * WIDTH
        return Row(self.name, "dense", 1.0, *measure(run, flops, self.way))

    def masked(self, kind: str, density: float) -> Row:
        """The pixels of a mask, through conv_pixels."""
        mask = {"random": random_mask, "edges": edge_mask}[kind](self.rng, density)
        pixels = pixel_numbers(mask)

        def run() -> None:
            native.conv_pixels(
                self.packed, self.inputs, self.out, -1, pixels, "relu", threads=self.way.threads
            )

        flops = self.flops_per_pixel * len(pixels)
        return Row(self.name, kind, density, *measure(run, flops, self.way))


def all_rows(way: Way) -> list[Row]:
    """Masked against dense for the main layer, then every other shape of our networks, dense."""
    main = Bench(64, 64, 3, way)
    rows = [main.dense()]
    rows += [main.masked(kind, density) for kind in ("edges", "random") for density in DENSITIES]
    shapes = [
        (3, 64),
        (64, 3),
        (64, 12),
        (64, 16),
        (16, 16),
        (64, 27),
        (64, 32),
        (64, 48),
        (24, 9),
        (64, 256),
    ]
    rows += [Bench(c_in, c_out, 3, way).dense() for c_in, c_out in shapes]
    rows += [Bench(c_in, 64, 1, way).dense() for c_in in (64, 256, 320)]
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cpu", choices=native.cpu_features())
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32", help="of the maps")
    parser.add_argument("--write", help="name of the result to write")
    arguments = parser.parse_args()
    native.set_cpu(arguments.cpu)
    peak = native.multiply_add_peak(arguments.dtype, threads=arguments.threads, ms=300)
    kernel = native.kernel_table()["conv" if arguments.dtype == "f32" else "conv_bf16"]
    print(f"{kernel}, {arguments.threads} thread(s), peak {peak:.1f} GFLOP/s")
    rows = all_rows(Way(arguments.threads, arguments.repeats, arguments.dtype))
    for row in rows:
        print(
            f"{row.name:<12} {row.mask:<7} {row.density:5.2f} {row.ms:9.2f} ms {row.gflops:7.1f} GFLOP/s "
            f"{row.share_of_peak:6.1%} of peak"
        )
    if arguments.write:
        facts = {
            **record.circumstances("python benchmarks/kernels.py"),
            "threads": arguments.threads,
            "precision": arguments.dtype,
            "kernel": kernel,
            "peak_gflops": peak,
        }
        print(record.write(arguments.write, {**facts, "rows": [asdict(row) for row in rows]}))


if __name__ == "__main__":
    main()
