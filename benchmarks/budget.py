"""What a budget gains over equal effort for all: total squared error of luma at equal total time.

    python benchmarks/budget.py measure smsr_s_x2 FOLDER... [--set Set14 --set B100] -o MEASURED.json
    python benchmarks/budget.py compare MEASURED.json... --write NAME

``measure`` upscales every image by bicubic and at eight efforts, and notes squared errors, multiply-adds and processor
time. ``compare`` fits a time per pixel and per multiply-add to them, since single times are noisy on a shared machine;
levels between are interpolated. With these times and errors as the truth, it compares ways to spend the same total
time: one effort for all; the same time per pixel for all; the budget as `upscale --budget` plans it, with forecasts
from strips of rows, rates learned while it runs, and the time for looking counted; the same without that time; and the
oracle, which knows all errors and times. No file is decoded or encoded.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import record

from sparsesr.engine.allocation import allocate
from sparsesr.engine.forecast import EFFORTS, Forecast, Forecaster
from sparsesr.engine.level_costs import FirstRates, TimeCosts
from sparsesr.engine.upscaler import Upscaler
from sparsesr.image.metrics import rgb_to_y
from sparsesr.image.resize import imresize
from sparsesr.measure.protocol import Pair, find_sets, load_pairs
from sparsesr.runtime.session import Session

MEASURED = (0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 1.0)
SHARES = (0.35, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Budgets, as shares of the time of all images with the effort that is best for all."""
MOST_PX = (480, 640)
"""Larger LR images are cropped to this in the middle, so that no image decides alone."""


@dataclass(frozen=True)
class Truth:
    """One image: squared error and milliseconds by level, and what a look at it gives."""

    pixels: int
    errors: np.ndarray
    ms: np.ndarray
    forecast: Forecast


@dataclass(frozen=True)
class Rates:
    """Processor time, ms."""

    bicubic_px: float
    look_px: float
    network_px: float
    network_mac: float


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    verbs = parser.add_subparsers(required=True)
    measuring = verbs.add_parser("measure")
    measuring.add_argument("model")
    measuring.add_argument("folders", type=Path, nargs="+")
    measuring.add_argument("--set", action="append", default=[], help="only these sets of the folders")
    measuring.add_argument("-o", "--output", type=Path, required=True)
    measuring.set_defaults(run=measure)
    comparing = verbs.add_parser("compare")
    comparing.add_argument("measured", type=Path, nargs="+")
    comparing.add_argument("--write", help="name of the result to write")
    comparing.set_defaults(run=compare)
    chosen = parser.parse_args()
    chosen.run(chosen)


def measure(chosen: argparse.Namespace) -> None:
    upscaler = Upscaler(chosen.model, threads=1, precision="fp32")
    session = Session(upscaler.model, 1, clock=time.process_time)
    forecaster = Forecaster(upscaler.network)
    images: list[dict[str, Any]] = []
    for folder in chosen.folders:
        for each in find_sets(folder, upscaler.scale, chosen.set):
            for name, pair in load_pairs(each, upscaler.scale, upscaler.network.multiple):
                images.append(
                    {"set": each.name, "name": name, **measured(pair, session, upscaler, forecaster)}
                )
                print(each.name, name, flush=True)
    chosen.output.write_text(json.dumps({"model": chosen.model, "images": images}), encoding="utf-8")


def measured(pair: Pair, session: Session, upscaler: Upscaler, forecaster: Forecaster) -> dict[str, Any]:
    """Measure one image."""
    lr, hr = cropped(pair, upscaler.scale)
    bicubic, bicubic_ms = timed(lambda: imresize(lr, upscaler.scale))
    runs = [session.run(lr, effort=effort) for effort in MEASURED]
    return {
        "height": lr.shape[0],
        "width": lr.shape[1],
        "errors": [squared_error(bicubic, hr), *(squared_error(run.image, hr) for run in runs)],
        "macs": [run.stats.macs for run in runs],
        "ms": [bicubic_ms, *(run.stats.total_ms for run in runs)],
        **looked_at(lr, upscaler, forecaster),
    }


def looked_at(lr: np.ndarray, upscaler: Upscaler, forecaster: Forecaster) -> dict[str, Any]:
    """What a look at an image gives and takes."""
    plan, output_px = upscaler.plan(lr), lr.shape[0] * lr.shape[1] * upscaler.scale**2
    forecast, look_ms = timed(lambda: forecaster(lr, plan, output_px))
    return {
        "gains": forecast.gains.tolist(),
        "densities": forecast.densities.tolist(),
        "inactive_macs": forecast.inactive_macs,
        "dense_macs": forecast.dense_macs,
        "look_ms": look_ms,
    }


def cropped(pair: Pair, scale: int) -> tuple[np.ndarray, np.ndarray]:
    """LR and HR, or their middle if they are large."""
    (top, rows), (left, columns) = (
        (max(0, side - most) // 4 * 2, min(side, most))
        for side, most in zip(pair.lr.shape[:2], MOST_PX, strict=True)
    )
    lr = pair.lr[top : top + rows, left : left + columns]
    hr = pair.hr[scale * top : scale * (top + rows), scale * left : scale * (left + columns)]
    return np.ascontiguousarray(lr), np.ascontiguousarray(hr)


def timed(run: Callable[[], Any]) -> tuple[Any, float]:
    start = time.process_time()
    result = run()
    return result, (time.process_time() - start) * 1000


def squared_error(upscaled: np.ndarray, hr: np.ndarray) -> float:
    return float(np.square(rgb_to_y(upscaled) - rgb_to_y(hr)).sum())


def compare(chosen: argparse.Namespace) -> None:
    read = [json.loads(path.read_text(encoding="utf-8")) for path in chosen.measured]
    rows = [image for each in read for image in each["images"]]
    (model,) = {each["model"] for each in read}
    rates = fitted(rows)
    images = [truth(row, rates) for row in rows]
    looks = rates.look_px * sum(image.pixels for image in images)
    result = {
        **record.circumstances("python benchmarks/budget.py compare MEASURED.json --write NAME"),
        "model": model,
        "sets": sorted({row["set"] for row in rows}),
        "images": len(images),
        "threads": 1,
        "precision": "fp32",
        "ms_per_megapixel": {
            "bicubic": rates.bicubic_px * 1e6,
            "look": rates.look_px * 1e6,
            "network_without_active_pixels": images_mean(images, 1),
            "network_with_all_active": images_mean(images, -1),
        },
        "bicubic_squared_error": sum(float(image.errors[0]) for image in images),
        "rows": [compared(images, share, looks) for share in SHARES],
    }
    print(json.dumps(result["ms_per_megapixel"]))
    for row in result["rows"]:
        print(row_text(row))
    if chosen.write:
        print(record.write(chosen.write, result))


def fitted(rows: Sequence[dict[str, Any]]) -> Rates:
    """Medians per pixel, and least squares of relative errors over all runs of the network."""
    pixels = [row["height"] * row["width"] for row in rows]
    bicubic, look = (
        float(np.median([value / px for value, px in zip(values, pixels, strict=True)]))
        for values in ([row["ms"][0] for row in rows], [row["look_ms"] for row in rows])
    )
    amounts = [[px, macs] for row, px in zip(rows, pixels, strict=True) for macs in row["macs"]]
    ms = np.array([ms for row in rows for ms in row["ms"][1:]])
    rates, *_ = np.linalg.lstsq(np.array(amounts) / ms[:, None], np.ones(len(ms)), rcond=None)
    return Rates(bicubic, look, *map(float, rates))


def truth(row: dict[str, Any], rates: Rates) -> Truth:
    """Errors and times at all levels."""
    pixels = row["height"] * row["width"]
    network_ms = rates.network_px * pixels + rates.network_mac * np.array(row["macs"], np.float64)
    ms = at_levels(np.array([rates.bicubic_px * pixels, *network_ms]))
    forecast = Forecast(
        4 * pixels,
        np.array(row["gains"]),
        np.array(row["densities"]),
        row["inactive_macs"],
        row["dense_macs"],
    )
    return Truth(pixels, at_levels(np.array(row["errors"])), ms, forecast)


def at_levels(values: np.ndarray) -> np.ndarray:
    """Bicubic and the measured efforts -> all levels."""
    return np.concatenate([values[:1], np.interp(EFFORTS, MEASURED, values[1:])])


def images_mean(images: Sequence[Truth], level: int) -> float:
    return 1e6 * sum(float(image.ms[level]) for image in images) / sum(image.pixels for image in images)


def compared(images: Sequence[Truth], share: float, looks: float) -> dict[str, Any]:
    """Squared error of the ways to spend a share of the time of the best common effort."""
    ms, errors = np.array([image.ms for image in images]), np.array([image.errors for image in images])
    best = 1 + int(errors[:, 1:].sum(axis=0).argmin())
    budget = share * float(ms[:, best].sum())
    row: dict[str, Any] = {
        "share": share,
        "budget_ms": budget,
        "least_share": float(ms[:, 1].sum() / ms[:, best].sum()),
        "equal_effort": equal_effort(ms, errors, best, budget),
        "equal_time_per_pixel": equal_time(images, budget, best),
        "oracle": oracle(ms, errors, budget),
    }
    row["oracle_advantage"] = 1 - row["oracle"] / row["equal_effort"]
    for way, spent in (("budget", looks), ("budget_without_looks", 0.0)):
        error, used = rolling(images, ms, errors, budget, spent)
        equal, least = equal_effort(ms, errors, best, used), oracle(ms, errors, used)
        row[way] = {
            "squared_error": error,
            "time_used": used / budget,
            "better_than_equal_effort": 1 - error / equal,
            "share_of_oracle": (equal - error) / (equal - least),
        }
    return row


def equal_effort(ms: np.ndarray, errors: np.ndarray, best: int, budget: float) -> float:
    """One effort for all."""
    efforts = slice(1, best + 1)
    return float(np.interp(budget, ms[:, efforts].sum(axis=0), errors[:, efforts].sum(axis=0)))


def oracle(ms: np.ndarray, errors: np.ndarray, budget: float) -> float:
    """The best division, from the true errors and times."""
    levels = allocate(errors[:, :1] - errors, ms, budget).levels
    return float(errors[np.arange(len(levels)), levels].sum())


def rolling(
    images: Sequence[Truth], ms: np.ndarray, errors: np.ndarray, budget: float, looks: float
) -> tuple[float, float]:
    """As a batch does it: plan, upscale one image, learn. Returns the squared error and the time used."""
    costs, left, total = TimeCosts(first_rates(images[0])), budget - looks, 0.0
    for index, image in enumerate(images):
        waiting = [other.forecast for other in images[index:]]
        gains = np.stack([forecast.gains for forecast in waiting])
        level = int(allocate(gains, costs.of(waiting), max(left, 0.0)).levels[0])
        taken = float(ms[index, level])
        left -= taken
        total += float(errors[index, level])
        done: Any = SimpleNamespace(stats=SimpleNamespace(total_ms=taken))
        costs.learn(image.forecast, level, done, taken)
    return total, budget - left


def first_rates(first: Truth) -> FirstRates:
    """The rates that the first image gives; nothing else takes time here."""
    density = first.forecast.densities
    active = float(first.ms[-1] - first.ms[1]) / max(float(density[-1] - density[1]), 1e-9)
    fixed = float(first.ms[1]) - active * float(density[1])
    inactive, dense = first.forecast.inactive_macs, first.forecast.dense_macs
    bicubic = float(first.ms[0]) / first.forecast.output_px
    return FirstRates(bicubic, max(fixed / inactive, 1e-12), active / (dense - inactive), 1e-9, 1e-12)


def equal_time(images: Sequence[Truth], budget: float, best: int) -> float:
    """Each image gets time in proportion to its pixels."""
    per_px, total = budget / sum(image.pixels for image in images), 0.0
    for image in images:
        times = np.maximum.accumulate(image.ms[1 : best + 1])
        total += float(np.interp(per_px * image.pixels, times, image.errors[1 : best + 1]))
    return total


def row_text(row: dict[str, Any]) -> str:
    plan, free = row["budget"], row["budget_without_looks"]
    return (
        f"{row['share']:.0%} of the time: oracle {row['oracle_advantage']:+.2%},"
        f" budget {plan['better_than_equal_effort']:+.2%} ({plan['share_of_oracle']:.0%} of the oracle's,"
        f" {plan['time_used']:.1%} of the time), without looks {free['better_than_equal_effort']:+.2%}"
        f" ({free['share_of_oracle']:.0%}); equal time per pixel"
        f" {1 - row['equal_time_per_pixel'] / row['equal_effort']:+.2%}"
    )


if __name__ == "__main__":
    main()
