"""What ``sparsesr classify`` prints: a line per exit and a summary, or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sparsesr.cli.messages import print_json, say

if TYPE_CHECKING:
    from sparsesr.lab.recipes.classification import Classified


def print_answers(result: Classified, names: Sequence[str]) -> None:
    """One JSON object per image."""
    for index, name in enumerate(names):
        label = int(result.labels[index])
        print_json(
            {
                "image": name,
                "class": result.classes[int(result.answers[index])],
                "probability": float(result.probabilities[index]),
                "exit": int(result.exits[index]) + 1,
                "right": bool(result.answers[index] == label) if label >= 0 else None,
            }
        )


def print_summary(result: Classified, *, as_json: bool) -> None:
    """Accuracy, multiply-adds and time, over all and by exit."""
    rows = [_exit_row(result, index) for index in range(len(result.multiply_adds_by_exit))]
    summary: dict[str, Any] = {
        "images": len(result.exits),
        "accuracy": result.accuracy(),
        "multiply_adds": result.multiply_adds,
        "ms": result.ms,
        "expected_cost": result.expected_cost,
        "exits": rows,
    }
    if as_json:
        print_json(summary)
        return
    say(f"{'exit':>4} {'images':>7} {'right':>8} {'multiply-adds':>14}")
    for row in rows:
        say(
            f"{row['exit']:>4} {row['images']:>7} {_percent(row['accuracy']):>8} {row['multiply_adds'] / 1e6:>12.2f} M"
        )
    cost = f"{result.multiply_adds / 1e6:.2f} M multiply-adds and {result.ms:.3f} ms an image"
    say(f"{len(result.exits):,} images, {_percent(result.accuracy())} right; {cost}")


def _exit_row(result: Classified, index: int) -> dict[str, Any]:
    here = result.exits == index
    return {
        "exit": index + 1,
        "images": int(here.sum()),
        "accuracy": result.accuracy(here),
        "multiply_adds": int(result.multiply_adds_by_exit[index]),
    }


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f} %"
