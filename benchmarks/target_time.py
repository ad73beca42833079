"""Accuracy of ``--target-ms``: three targets for every image of a set.

    python benchmarks/target_time.py smsr_x2_official --data FOLDER [--set Set14] [--threads 2] [--write NAME]

The targets lie a quarter, half and three quarters of the way between the times at minimum and maximum effort on the
image. Times include choosing the effort, as for users.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median
from typing import Any

import record

from sparsesr.engine.target import TargetReport
from sparsesr.engine.upscaler import Upscaler
from sparsesr.measure.protocol import find_sets, load_pairs

FRACTIONS = (0.25, 0.5, 0.75)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--set", default="Set14")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", help="name of the result to write")
    chosen = parser.parse_args()
    upscaler = Upscaler(chosen.model, threads=chosen.threads)
    images = find_sets(chosen.data, upscaler.scale, [chosen.set])[0]
    rows: list[dict[str, Any]] = []
    for name, pair in load_pairs(images, upscaler.scale, upscaler.network.multiple):
        rows += measure(upscaler, name, pair.lr)
        for row in rows[-len(FRACTIONS) :]:
            print(
                "{name:<12} target {target_ms:7.1f} ms, took {actual_ms:7.1f} ms ({deviation:+.1%})".format(
                    **row
                )
            )
    deviations = [abs(row["deviation"]) for row in rows]
    result = {
        **record.circumstances(f"python benchmarks/target_time.py MODEL --data FOLDER --set {chosen.set}"),
        "model": chosen.model,
        "set": chosen.set,
        "threads": chosen.threads,
        "precision": "fp32",
        "median_deviation": median(deviations),
        "largest_deviation": max(deviations),
        "within_15_percent": sum(deviation <= 0.15 for deviation in deviations) / len(deviations),
        "median_probe_share": median(row["probe_ms"] / row["actual_ms"] for row in rows),
        "rows": rows,
    }
    print("median deviation {median_deviation:.1%}, largest {largest_deviation:.1%}".format(**result))
    if chosen.write:
        print(record.write(chosen.write, result))


def measure(upscaler: Upscaler, name: str, pixels: Any) -> list[dict[str, Any]]:
    """Measure the image with all targets; each range is measured just before, since clock speeds change."""
    rows: list[dict[str, Any]] = []
    for fraction in FRACTIONS:
        least, most = report_of(upscaler, pixels, 1e9).reachable_ms
        report = report_of(upscaler, pixels, least + (most - least) * fraction)
        rows.append(
            {
                "name": name,
                "pixels": pixels.shape[0] * pixels.shape[1],
                "target_ms": report.target_ms,
                "actual_ms": report.actual_ms,
                "deviation": report.actual_ms / report.target_ms - 1,
                "effort": report.effort,
                "probe_ms": report.probe_ms,
            }
        )
    return rows


def report_of(upscaler: Upscaler, pixels: Any, target_ms: float) -> TargetReport:
    report = upscaler(pixels, target_ms=target_ms, keep_masks=False).target
    assert report is not None
    return report


if __name__ == "__main__":
    main()
