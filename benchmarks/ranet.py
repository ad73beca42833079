"""Accuracy against multiply-adds and time of a trained RANet: single exits, and budgets with real early exit.

    python benchmarks/ranet.py measure RUN/checkpoint.pt [--against MSDNET_RUN/checkpoint.pt] [--lossless BATCH_FILE]
        [--images 2000] [--batch 256] [--threads 1] [--rounds 3] [--write NAME]
    python benchmarks/ranet.py plot RESULT.json -o PLOT.png

Thresholds come from the held-out images, accuracies from all test images. Times are those of real early exit on some
of them; all exits and budgets take turns in every round. A budget is compared with always running to the last exit, and
with the cheapest single exit that is at least as accurate: of the same network, and of the one in ``--against``, as a
network without early exit would run. ``plot`` needs matplotlib.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import ranet_plot
import record
import torch
from numpy.typing import NDArray

from sparsesr.lab.data.cifar_batch import source_of_batch
from sparsesr.lab.data.labelled_batches import images_B3HW
from sparsesr.lab.data.labelled_images import LabelledImages, decode_all
from sparsesr.lab.evaluate.confidence import confidence
from sparsesr.lab.evaluate.early_exit import classify_early
from sparsesr.lab.evaluate.exit_thresholds import exits_taken, fixed_exit, thresholds_for_budget
from sparsesr.lab.nn.multiply_adds import multiply_adds_by_exit
from sparsesr.lab.train.trained_classifier import TrainedClassifier, logits_of_images, open_classifier

BUDGETS = 9
Row = dict[str, Any]


@dataclass(frozen=True)
class Contender:
    """A network with thresholds: one exit for all, or a budget."""

    classifier: TrainedClassifier
    kind: Row
    """Network, and exit or budget."""
    thresholds: NDArray[np.float64]
    """(E,)."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    verbs = parser.add_subparsers(required=True)
    measuring = verbs.add_parser("measure")
    measuring.add_argument("checkpoint", type=Path)
    measuring.add_argument(
        "--against", type=Path, help="checkpoint of a network whose single exits to compare with"
    )
    measuring.add_argument("--lossless", type=Path, help="batch file of CIFAR-10 with more test images")
    measuring.add_argument("--images", type=int, default=2000, help="test images to time")
    measuring.add_argument("--batch", type=int, default=256)
    measuring.add_argument("--threads", type=int, default=1)
    measuring.add_argument("--rounds", type=int, default=3)
    measuring.add_argument("--data", default="CIFAR-10 (JPEG)", help="name of the data in the result")
    measuring.add_argument("--machine", default="", help="what the processor's name does not say")
    measuring.add_argument("--write", help="name of the result to write")
    measuring.set_defaults(run=measure)
    plotting = verbs.add_parser("plot")
    plotting.add_argument("result", type=Path)
    plotting.add_argument("-o", "--output", type=Path, required=True)
    plotting.set_defaults(
        run=lambda chosen: ranet_plot.plot(json.loads(chosen.result.read_text()), chosen.output)
    )
    chosen = parser.parse_args()
    chosen.run(chosen)


def measure(chosen: argparse.Namespace) -> None:
    torch.set_num_threads(chosen.threads)
    classifier = open_classifier(chosen.checkpoint, print)
    found = [*single_exits(classifier), *budgets(classifier)]
    if chosen.against:
        found += single_exits(open_classifier(chosen.against, print))
    test = classifier.test_images()
    rows: list[Row] = [dict(contender.kind) for contender in found]
    for row, answered in zip(rows, answers(found, test), strict=True):
        row.update(answered)
    if chosen.lossless:
        images, _ = decode_all(source_of_batch(chosen.lossless, test.classes, print), print)
        for row, answered in zip(rows, answers(found, images), strict=True):
            row["lossless_accuracy"] = answered["accuracy"]
    timed_images = test.part(0, max(len(test) // chosen.images, 1))  # spread over all classes
    for row, times in zip(rows, timed(found, timed_images, chosen), strict=True):
        row.update(times)
    compare(rows, classifier.recipe.network)
    for row in rows:
        print(json.dumps(row))
    result = {
        **record.circumstances("python benchmarks/ranet.py measure RUN/checkpoint.pt"),
        "machine": chosen.machine,
        "data": chosen.data,
        "network": classifier.recipe.network,
        "images": len(test),
        "timed_images": len(timed_images),
        "batch": chosen.batch,
        "threads": chosen.threads,
        "precision": "fp32",
        "rounds": chosen.rounds,
        "time": "processor time of the process, median over the rounds; wall is the wall-clock time",
        "rows": rows,
    }
    if chosen.write:
        print(record.write(chosen.write, result))


def single_exits(classifier: TrainedClassifier) -> list[Contender]:
    """Every exit for all images."""
    exits = classifier.network.config.exits
    return [
        Contender(
            classifier, {"network": classifier.recipe.network, "exit": number}, fixed_exit(number, exits)
        )
        for number in range(1, exits + 1)
    ]


def budgets(classifier: TrainedClassifier) -> list[Contender]:
    """Budgets between the first exit and the last."""
    costs = multiply_adds_by_exit(classifier.network)
    confidence_EN = confidence(torch.from_numpy(classifier.held_out_logits())).numpy()
    return [
        Contender(
            classifier,
            {"network": classifier.recipe.network, "budget": float(budget)},
            thresholds_for_budget(confidence_EN, costs, float(budget)).thresholds,
        )
        for budget in np.linspace(costs[0], costs[-1], BUDGETS + 2)[1:-1]
    ]


def answers(found: Sequence[Contender], images: LabelledImages) -> list[Row]:
    """Accuracy, multiply-adds and the shares of the exits: from one run of all exits, which early exit equals."""
    logits: dict[Path, NDArray[np.float32]] = {}
    rows: list[Row] = []
    for contender in found:
        path, network = contender.classifier.path, contender.classifier.network
        if path not in logits:
            logits[path] = logits_of_images(network, images)
        costs = np.asarray(multiply_adds_by_exit(network))
        exits_N = exits_taken(confidence(torch.from_numpy(logits[path])).numpy(), contender.thresholds)
        chosen_NK = logits[path][exits_N, np.arange(len(images))]
        shares = np.bincount(exits_N, minlength=len(costs)) / len(images)
        rows.append(
            {
                "accuracy": float((chosen_NK.argmax(-1) == images.own_labels).mean()),
                "multiply_adds": float(costs[exits_N].mean()),
                "shares": [round(float(share), 4) for share in shares],
            }
        )
    return rows


def timed(found: Sequence[Contender], images: LabelledImages, chosen: argparse.Namespace) -> list[Row]:
    """Milliseconds an image, of all contenders in turns."""
    batches = [
        images_B3HW(images.batch(slice(start, start + chosen.batch))[0])
        for start in range(0, len(images), chosen.batch)
    ]
    times: list[list[tuple[float, float]]] = [[] for _ in found]
    for contender in found:  # warms up
        classify_early(contender.classifier.network, batches[0], contender.thresholds)
    for _ in range(chosen.rounds):
        for contender, own in zip(found, times, strict=True):
            wall, cpu = time.perf_counter(), time.process_time()
            for batch in batches:
                classify_early(contender.classifier.network, batch, contender.thresholds)
            own.append((time.process_time() - cpu, time.perf_counter() - wall))
    return [
        {
            name: 1e3 * median(pair[index] for pair in own) / len(images)
            for index, name in enumerate(("ms", "wall_ms"))
        }
        for own in times
    ]


def compare(rows: Sequence[Row], network: str) -> None:
    """Add to each budget its cost relative to the last exit, and to the cheapest exit of at least its accuracy."""
    singles = [row for row in rows if "exit" in row]
    own = [row for row in singles if row["network"] == network]
    others = [row for row in singles if row["network"] != network]
    for row in rows:
        if "budget" not in row:
            continue
        row["time_of_last_exit"] = row["ms"] / own[-1]["ms"]
        for name, exits in (("exit", own), ("other_exit", others)):
            as_good = [single for single in exits if single["accuracy"] >= row["accuracy"]]
            cheapest = min(as_good, key=lambda single: single["multiply_adds"], default=None)
            row[f"equal_{name}"] = cheapest["exit"] if cheapest else None
            row[f"time_of_equal_{name}"] = row["ms"] / cheapest["ms"] if cheapest else None


if __name__ == "__main__":
    main()
