"""Accuracy against multiply-adds and time of a trained RANet: single exits, and budgets with real early exit.

    python benchmarks/ranet.py measure RUN/checkpoint.pt [--images 2000] [--batch 256] [--threads 1] [--write NAME]
    python benchmarks/ranet.py plot RESULT.json -o PLOT.png

All single exits and budgets take turns in every round, on the same test images; thresholds come from the held-out
images. A budget is compared with always running to the last exit, and with the cheapest single exit that is at least
as accurate, as a network without early exit would run. ``plot`` needs matplotlib.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import record
import torch
from numpy.typing import NDArray

from sparsesr.lab.data.labelled_batches import images_B3HW
from sparsesr.lab.data.labelled_images import LabelledImages
from sparsesr.lab.evaluate.confidence import confidence
from sparsesr.lab.evaluate.early_exit import classify_early
from sparsesr.lab.evaluate.exit_thresholds import fixed_exit, thresholds_for_budget
from sparsesr.lab.nn.multiply_adds import multiply_adds_by_exit
from sparsesr.lab.nn.ranet import RANet
from sparsesr.lab.train.trained_classifier import TrainedClassifier, open_classifier

BUDGETS = 7
COSTS = (("multiply_adds", "multiply-adds per image"), ("ms", "ms per image"))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    verbs = parser.add_subparsers(required=True)
    measuring = verbs.add_parser("measure")
    measuring.add_argument("checkpoint", type=Path)
    measuring.add_argument("--images", type=int, default=2000)
    measuring.add_argument("--batch", type=int, default=256)
    measuring.add_argument("--threads", type=int, default=1)
    measuring.add_argument("--rounds", type=int, default=3)
    measuring.add_argument("--data", default="CIFAR-10 (JPEG)", help="name of the data in the result")
    measuring.add_argument("--write", help="name of the result to write")
    measuring.set_defaults(run=measure)
    plotting = verbs.add_parser("plot")
    plotting.add_argument("result", type=Path)
    plotting.add_argument("-o", "--output", type=Path, required=True)
    plotting.set_defaults(run=lambda chosen: plot(json.loads(chosen.result.read_text()), chosen.output))
    chosen = parser.parse_args()
    chosen.run(chosen)


def measure(chosen: argparse.Namespace) -> None:
    torch.set_num_threads(chosen.threads)
    classifier = open_classifier(chosen.checkpoint, print)
    test = classifier.test_images()
    test = test.part(0, max(len(test) // chosen.images, 1))  # spread over all classes
    rows = timed(classifier.network, test, contenders(classifier), chosen)
    compare(rows)
    for row in rows:
        print(json.dumps(row))
    result = {
        **record.circumstances("python benchmarks/ranet.py measure RUN/checkpoint.pt"),
        "data": chosen.data,
        "network": classifier.recipe.network,
        "images": len(test),
        "batch": chosen.batch,
        "threads": chosen.threads,
        "precision": "fp32",
        "rounds": chosen.rounds,
        "time": "processor time of the process, median over the rounds; wall is the wall-clock time",
        "rows": rows,
    }
    if chosen.write:
        print(record.write(chosen.write, result))


def contenders(classifier: TrainedClassifier) -> list[dict[str, Any]]:
    """Thresholds of all single exits, and of budgets between the first and the last."""
    costs = multiply_adds_by_exit(classifier.network.config)
    exits = len(costs)
    confidence_EN = confidence(torch.from_numpy(classifier.held_out_logits())).numpy()
    singles = [{"exit": index + 1, "thresholds": fixed_exit(index + 1, exits)} for index in range(exits)]
    budgets = np.linspace(costs[0], costs[-1], BUDGETS + 2)[1:-1]
    fits = [(float(budget), thresholds_for_budget(confidence_EN, costs, budget)) for budget in budgets]
    return [*singles, *({"budget": budget, "thresholds": fit.thresholds} for budget, fit in fits)]


def timed(
    network: RANet, test: LabelledImages, found: Sequence[dict[str, Any]], chosen: argparse.Namespace
) -> list[dict[str, Any]]:
    """Run all contenders in turns; one row each."""
    batches = [
        images_B3HW(test.batch(slice(start, start + chosen.batch))[0])
        for start in range(0, len(test), chosen.batch)
    ]
    costs = np.asarray(multiply_adds_by_exit(network.config))
    classify_early(network, batches[0], found[0]["thresholds"])
    times: list[list[tuple[float, float]]] = [[] for _ in found]
    rows: list[dict[str, Any]] = []
    for round_index in range(chosen.rounds):
        for each, own in zip(found, times, strict=True):
            wall, cpu = time.perf_counter(), time.process_time()
            answers = [classify_early(network, batch, each["thresholds"]) for batch in batches]
            own.append((time.process_time() - cpu, time.perf_counter() - wall))
            if round_index == 0:
                exits = torch.cat([answer.exits for answer in answers]).numpy()
                right = torch.cat([answer.classes for answer in answers]).numpy() == test.own_labels
                rows.append(row_of(each, exits, right, costs))
    for row, own in zip(rows, times, strict=True):
        row["ms"], row["wall_ms"] = (
            1e3 * median(pair[index] for pair in own) / len(test) for index in (0, 1)
        )
    return rows


def row_of(
    each: dict[str, Any], exits: NDArray[np.int64], right: NDArray[np.bool_], costs: NDArray[np.int64]
) -> dict[str, Any]:
    kind = {name: each[name] for name in ("exit", "budget") if name in each}
    shares = np.bincount(exits, minlength=len(costs)) / len(exits)
    return {
        **kind,
        "accuracy": float(right.mean()),
        "multiply_adds": float(costs[exits].mean()),
        "shares": [round(float(share), 4) for share in shares],
    }


def compare(rows: Sequence[dict[str, Any]]) -> None:
    """Add to each budget its time relative to the last exit, and to the cheapest exit of at least its accuracy."""
    singles = [row for row in rows if "exit" in row]
    for row in rows:
        if "budget" not in row:
            continue
        row["time_of_last_exit"] = row["ms"] / singles[-1]["ms"]
        as_good = [single for single in singles if single["accuracy"] >= row["accuracy"]]
        cheapest = min(as_good, key=lambda single: single["multiply_adds"], default=None)
        row["equal_exit"] = cheapest["exit"] if cheapest else None
        row["time_of_equal_exit"] = row["ms"] / cheapest["ms"] if cheapest else None


def plot(result: dict[str, Any], output: Path) -> None:
    """Draw accuracy over multiply-adds and over time."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(9.2, 3.4), sharey=True)
    for panel, (cost, label) in zip(panels, COSTS, strict=True):
        for kind, style, name in (
            ("exit", "s--", "anytime: one exit for all"),
            ("budget", "o-", "budget: early exit"),
        ):
            rows = [row for row in result["rows"] if kind in row]
            factor = 1e-6 if cost == "multiply_adds" else 1.0
            panel.plot(
                [factor * row[cost] for row in rows],
                [100 * row["accuracy"] for row in rows],
                style,
                label=name,
            )
        panel.set_xlabel(f"{label}, millions" if cost == "multiply_adds" else label)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("accuracy, %")
    panels[0].legend(fontsize=8, loc="lower right")
    figure.suptitle(f"{result['network']}, {result['data']}, {result['threads']} thread", fontsize=10)
    figure.tight_layout()
    figure.savefig(output, dpi=100)
    print(output)


if __name__ == "__main__":
    main()
