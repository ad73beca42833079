"""Bundled models in each precision, with the best instruction set and with a lower one, interleaved.

    python benchmarks/precisions.py PHOTO [--threads 1 2] [--lower LEVEL] [--repeats 7] [--write NAME]
                                          [--processor-time]

The photograph is run whole and cropped to 256x256 around its centre, in the precisions for which the processor has
instructions. ``int8_lower`` is int8 by the vectors of a lower set, which may leave other layers to fp32. Ratios are
medians of those of neighbouring runs.
``--processor-time`` leaves out the time of other programs, for one thread on a busy machine.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import record

from sparsesr import _native as native
from sparsesr.image.decode import decode
from sparsesr.image.samples import to_eight_bit
from sparsesr.modelfile.catalogue import load
from sparsesr.modelfile.precision_cost import REDUCED_PRECISIONS
from sparsesr.runtime.precision import has_instructions
from sparsesr.runtime.session import Image, Session

MODELS = ("skim_best_x2", "skim_fast_x2", "smsr_x2", "smsr_s_x2")
CROP_PX = 256
WARM_UPS = 2


@dataclass(frozen=True)
class Row:
    """One model on one image."""

    model: str
    input: str
    threads: int
    ms: dict[str, float]
    int8_against: dict[str, float]
    """How many times as fast int8 is as each of the others."""
    auto: str
    """What ``--precision auto`` takes."""


class Contenders:
    """Sessions of one model, each with its instruction set."""

    def __init__(self, model: str, threads: int, lower: str | None) -> None:
        fast = [each for each in REDUCED_PRECISIONS if has_instructions(each)]
        wanted: dict[str, str | None] = dict.fromkeys(["fp32", *fast])
        if lower is not None:
            wanted["int8_lower"] = lower
        self._sessions: dict[str, tuple[Session, str | None]] = {}
        for name, cpu in wanted.items():
            native.set_cpu(cpu)
            self._sessions[name] = (Session(load(model), threads, name.removesuffix("_lower")), cpu)
        native.set_cpu(None)
        self.auto = Session(load(model), threads, "auto").precision

    def round_ms(self, image: Image, clock: Callable[[], float]) -> dict[str, float]:
        """Milliseconds of one run of each."""
        times: dict[str, float] = {}
        for name, (session, cpu) in self._sessions.items():
            native.set_cpu(cpu)
            start = clock()
            session.run(image)
            times[name] = (clock() - start) * 1e3
        native.set_cpu(None)
        return times


def clock_of(chosen: argparse.Namespace) -> Callable[[], float]:
    """The clock to measure by; returns seconds."""
    return time.process_time if chosen.processor_time else time.perf_counter


def measure(model: str, name: str, image: Image, threads: int, chosen: argparse.Namespace) -> Row:
    """Medians of interleaved runs."""
    contenders = Contenders(model, threads, chosen.lower)
    clock = clock_of(chosen)
    rounds = [contenders.round_ms(image, clock) for _ in range(WARM_UPS + chosen.repeats)][WARM_UPS:]
    ms = {each: statistics.median(one[each] for one in rounds) for each in rounds[0]}
    others = [each for each in ms if each != "int8"]
    ratios = {each: statistics.median(one[each] / one["int8"] for one in rounds) for each in others}
    return Row(model, name, threads, ms, ratios, contenders.auto)


def inputs(photo: Path) -> dict[str, Image]:
    """The photograph and its centre, by name."""
    whole = to_eight_bit(decode(photo).rgb)
    top, left = ((side - CROP_PX) // 2 for side in whole.shape[:2])
    centre = np.ascontiguousarray(whole[top : top + CROP_PX, left : left + CROP_PX])
    return {f"{image.shape[1]}x{image.shape[0]}": image for image in (centre, whole)}


def main() -> None:
    """Measure all models and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photo", type=Path)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--lower", choices=native.cpu_features())
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--write", help="name of the result to write")
    parser.add_argument("--processor-time", action="store_true", help="time of this process only")
    chosen = parser.parse_args()
    rows: list[Row] = []
    for threads in chosen.threads:
        for model in MODELS:
            for name, image in inputs(chosen.photo).items():
                row = measure(model, name, image, threads, chosen)
                rows.append(row)
                times = "  ".join(f"{each} {ms:.1f}" for each, ms in row.ms.items())
                ratios = "  ".join(f"{ratio:.2f}x {each}" for each, ratio in row.int8_against.items())
                print(f"{model:<13} {name} {threads} thread(s): {times} ms; int8 {ratios}", flush=True)
    if chosen.write:
        facts = record.circumstances("python benchmarks/precisions.py")
        kernels = {each: native.kernel_table()[each] for each in ("conv", "conv_bf16", "conv_u8")}
        facts |= {
            "photo": chosen.photo.name,
            "kernels": kernels,
            "lower": chosen.lower,
            "clock": clock_of(chosen).__name__,
        }
        print(record.write(chosen.write, {**facts, "rows": [asdict(row) for row in rows]}))


if __name__ == "__main__":
    main()
