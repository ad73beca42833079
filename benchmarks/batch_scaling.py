"""Files per second of ``sparsesr batch`` and ``upscale`` on one and more threads, and what the coordinator costs.

Usage: ``python benchmarks/batch_scaling.py [--threads 2] [--address HOST:PORT]``. The runs are interleaved, and medians
are printed; times include the start of all processes. With an address, the coordinator's own time on that Ray cluster
is measured instead, with images so small that hardly anything else takes time.
"""

from __future__ import annotations

import argparse
import contextlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from sparsesr.cluster.batch import Rules, upscale_batch
from sparsesr.cluster.fleet import Answered, Event
from sparsesr.cluster.items import Done, Item
from sparsesr.cluster.manifest import Manifest
from sparsesr.processor import processor_name

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
MANY, MESSAGES = 20_000, 2_000


def crops(folder: Path, count: int, side_px: int) -> None:
    """Different parts of the sample photographs."""
    folder.mkdir()
    photos = [Image.open(path).convert("RGB") for path in sorted(SAMPLES.glob("*.jpg"))]
    for number in range(count):
        photo = photos[number % len(photos)]
        left, top = (13 * number) % (photo.width - side_px), (7 * number) % (photo.height - side_px)
        part = photo.crop((left, top, left + side_px, top + side_px))
        part.save(folder / f"{number:05d}.png")


def seconds(verb: str, source: Path, *arguments: str) -> tuple[float, float]:
    """Wall time of a command, and processor time of its process and those that it waited for."""
    with tempfile.TemporaryDirectory() as target:
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [sys.executable, "-m", "sparsesr.cli", verb, str(source), "-o", f"{target}/", "-q"]
        subprocess.run([*command, *arguments], check=True)
        wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def scaling(folder: Path, files: int, threads: int, rounds: int) -> None:
    """Print files per second of each way."""
    ways = [(verb, str(count)) for verb in ("upscale", "batch") for count in (1, threads)]
    runs: dict[tuple[str, str], list[tuple[float, float]]] = {way: [] for way in ways}
    for _ in range(rounds):
        for verb, count in ways:
            runs[verb, count].append(seconds(verb, folder, "-j", count))
    for (verb, count), measured in runs.items():
        wall, busy = (statistics.median(values) for values in zip(*measured, strict=True))
        each = " ".join(f"{one:.1f}" for one, _ in measured)
        print(
            f"{verb:8} -j {count}  {files / wall:6.2f} files/s, median {wall:.1f} s of {each};"
            f" processor {busy:.1f} s, {1e3 * busy / files:.0f} ms a file"
        )


class _InstantFleet:
    """A worker that answers at once, so that only the coordinator takes time."""

    ready = (0,)

    def __init__(self) -> None:
        self._chunks: list[Sequence[Item]] = []
        self.given = 0

    def start(self, files: int, *, is_shared: bool) -> None: ...

    def give(self, worker: int, chunk: Sequence[Item]) -> None:
        self._chunks.append(chunk)
        self.given += 1

    def events(self, timeout_s: float) -> Iterator[Event]:
        while self._chunks:
            yield Answered(0, [(Done({}, [1, 1]), 0.0)] * len(self._chunks.pop(0)))

    def cancel(self) -> None: ...

    def close(self) -> None: ...


def coordinator() -> None:
    """Print what a file costs the coordinator: its states, its lines in the manifest, and a share of the syncs."""
    with tempfile.TemporaryDirectory() as folder:
        manifest = Manifest(Path(folder), {})
        manifest.begin_anew(may_replace=False)
        targets = {Path(folder, f"{n}.png"): Path(folder, f"{n}_x2.png") for n in range(MANY)}
        fleet, start = _InstantFleet(), time.perf_counter()
        for _ in upscale_batch(fleet, targets, manifest, Rules(), lambda: False, print):
            pass
        wall = time.perf_counter() - start
    print(f"coordinator: {1e6 * wall / MANY:.0f} us a file, {MANY} files in {fleet.given} chunks")


def messages() -> None:
    """Print what a message of a worker costs the coordinator; the cluster is connected."""
    import ray

    class Sender:
        def send(self) -> Iterator[int]:
            for number in range(MESSAGES):
                yield 2 * number

    stream = ray.remote(Sender).remote().send.options(num_returns="streaming").remote()
    ray.get(next(stream))
    start = time.perf_counter()
    while ray.wait([stream], num_returns=1)[0]:
        try:
            ray.get(next(stream))
        except StopIteration:
            break
    print(f"a message: {1e3 * (time.perf_counter() - start) / MESSAGES:.2f} ms")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=32)
    parser.add_argument("--side", type=int, default=256, help="pixels")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--address", help="HOST:PORT of a Ray cluster")
    given = parser.parse_args()
    print(processor_name())
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "in")
        crops(folder, given.files, given.side)
        if given.address is None:
            scaling(folder, given.files, given.threads, given.rounds)
            coordinator()
            return
        few = Path(place, "few")
        crops(few, 2, given.side)
        from sparsesr.cluster.ray_cluster import RayCluster

        least = seconds("batch", few, "--address", given.address)
        wall, own = seconds("batch", folder, "--address", given.address)
        print(f"2 files: {least[0]:.1f} s, coordinator {least[1]:.2f} s")
        print(f"{given.files} files: {wall:.1f} s, coordinator {own:.2f} s,", end=" ")
        print(f"{1e3 * (own - least[1]) / (given.files - 2):.2f} ms a file more")
        with contextlib.closing(RayCluster(given.address)):
            messages()


if __name__ == "__main__":
    main()
