"""What a budget gains over equal effort for all: total squared error of luma at equal total time.

    python benchmarks/budget.py smsr_s_x2 FOLDER... [--set Set14 --set B100] [--threads 1] [--write NAME]

Every image is upscaled by bicubic and at nine efforts, in turns; times are of the processor, which other programs on
the machine disturb less, and levels between are interpolated. With these times and errors as the truth, several ways to
spend the same total time are compared: one effort for all; the same time per pixel for all; the budget as `upscale
--budget` plans it, with forecasts from strips of rows, rates learned while it runs, and the time for looking counted;
the same without that time; and the oracle, which knows all errors and times. No file is decoded or encoded.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
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

MEASURED = tuple(step / 8 for step in range(9))
SHARES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Budgets, as shares of the time of all images with the effort that is best for all."""
MOST_PX = 480 * 640
"""Larger LR images are cropped to about this, in the middle, so that no image decides alone."""


@dataclass(frozen=True)
class Truth:
    """One image: milliseconds and squared error by level, and what a look at it gives and costs."""

    name: str
    pixels: int
    ms: np.ndarray
    errors: np.ndarray
    forecast: Forecast
    look_ms: float


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--set", action="append", default=[], help="only these sets of the folders")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", help="name of the result to write")
    chosen = parser.parse_args()
    upscaler = Upscaler(chosen.model, threads=chosen.threads, precision="fp32")
    session = Session(upscaler.model, chosen.threads, clock=time.process_time)
    forecaster = Forecaster(upscaler.network)
    images: list[Truth] = []
    for folder in chosen.folders:
        for each in find_sets(folder, upscaler.scale, chosen.set):
            for name, pair in load_pairs(each, upscaler.scale, upscaler.network.multiple):
                images.append(
                    measured(
                        name, cropped(pair, upscaler.scale), upscaler, session, forecaster, chosen.rounds
                    )
                )
                print(name, flush=True)
    first = first_rates(upscaler, session, images)
    rows = [compared(images, share, first) for share in SHARES]
    for row in rows:
        print(row_text(row))
    if chosen.write:
        sets = "".join(f" --set {name}" for name in chosen.set)
        result = {
            **record.circumstances(f"python benchmarks/budget.py {chosen.model} FOLDER{sets}"),
            "model": chosen.model,
            "sets": [folder.name for folder in chosen.folders] if not chosen.set else chosen.set,
            "images": len(images),
            "threads": chosen.threads,
            "precision": "fp32",
            "look_share": sum(image.look_ms for image in images)
            / sum(image.ms[1:].mean() for image in images),
            "bicubic_squared_error": sum(float(image.errors[0]) for image in images),
            "rows": rows,
        }
        print(record.write(chosen.write, result))


def cropped(pair: Pair, scale: int) -> Pair:
    """The middle of a large image."""
    height, width = pair.lr.shape[:2]
    factor = min(1.0, (MOST_PX / (height * width)) ** 0.5)
    rows, columns = (int(side * factor) // 2 * 2 for side in (height, width))
    top, left = (height - rows) // 4 * 2, (width - columns) // 4 * 2
    lr = pair.lr[top : top + rows, left : left + columns]
    hr = pair.hr[scale * top : scale * (top + rows), scale * left : scale * (left + columns)]
    return Pair(np.ascontiguousarray(lr), np.ascontiguousarray(hr))


def measured(
    name: str, pair: Pair, upscaler: Upscaler, session: Session, forecaster: Forecaster, rounds: int
) -> Truth:
    """Measure one image."""
    lr, scale = pair.lr, upscaler.scale
    runs: list[Callable[[], Any]] = [
        lambda: imresize(lr, scale),
        *(lambda effort=effort: session.run(lr, effort=effort).image for effort in MEASURED),
    ]
    errors = [squared_error(run(), pair.hr) for run in runs]  # also packs weights
    turns = [[timed(run) for run in runs] for _ in range(rounds)]
    ms = np.median(turns, axis=0)
    plan, output_px = upscaler.plan(lr), lr.shape[0] * lr.shape[1] * scale**2
    look_ms = median(timed(lambda: forecaster(lr, plan, output_px)) for _ in range(rounds))
    forecast = forecaster(lr, plan, output_px)
    return Truth(
        name, lr.shape[0] * lr.shape[1], at_levels(ms), at_levels(np.array(errors)), forecast, look_ms
    )


def timed(run: Callable[[], Any]) -> float:
    start = time.process_time()
    run()
    return (time.process_time() - start) * 1000


def squared_error(upscaled: np.ndarray, hr: np.ndarray) -> float:
    return float(np.square(rgb_to_y(upscaled) - rgb_to_y(hr)).sum())


def at_levels(values: np.ndarray) -> np.ndarray:
    """Bicubic and the measured efforts -> all levels."""
    return np.concatenate([values[:1], np.interp(EFFORTS, MEASURED, values[1:])])


def first_rates(upscaler: Upscaler, session: Session, images: Sequence[Truth]) -> FirstRates:
    """The rates that the first image gives; nothing else takes time here."""
    first = images[0]
    density, pixels = first.forecast.densities, first.pixels
    active = max((first.ms[-1] - first.ms[1]) / max(density[-1] - density[1], 1e-9) / pixels, 1e-9)
    fixed = max(first.ms[1] / pixels - active * density[1], 1e-9)
    return FirstRates(first.ms[0] / first.forecast.output_px, fixed, active, 1e-9, 1e-12)


def compared(images: Sequence[Truth], share: float, first: FirstRates) -> dict[str, Any]:
    """Squared error of the ways to spend a share of the time of the best common effort."""
    ms, errors = np.array([image.ms for image in images]), np.array([image.errors for image in images])
    best = 1 + int(errors[:, 1:].sum(axis=0).argmin())
    budget = share * float(ms[:, best].sum())
    looks = sum(image.look_ms for image in images)
    row = {
        "share": share,
        "budget_ms": budget,
        "least_share": float(ms[:, 1].sum() / ms[:, best].sum()),
        "equal_effort": equal_effort(ms, errors, best, budget),
        "equal_time_per_pixel": equal_time(images, budget, best),
        "oracle": oracle(ms, errors, budget),
    }
    row["oracle_advantage"] = 1 - row["oracle"] / row["equal_effort"]
    for way, spent in (("budget", looks), ("budget_without_looks", 0.0)):
        error, used = rolling(images, ms, errors, budget, spent, first)
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
    images: Sequence[Truth],
    ms: np.ndarray,
    errors: np.ndarray,
    budget: float,
    looks: float,
    first: FirstRates,
) -> tuple[float, float]:
    """As a batch does it: plan, upscale one image, learn. Returns the squared error and the time used."""
    costs, left, total = TimeCosts(first), budget - looks, 0.0
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
