"""The plot of a result of ``ranet.py``: accuracy over multiply-adds and over time. Needs matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

COSTS = (("multiply_adds", "multiply-adds per image, millions", 1e-6), ("ms", "ms per image", 1.0))


def plot(result: dict[str, Any], output: Path) -> None:
    """Draw one line each for budgets, single exits, and single exits of the other network if there is one."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(9.2, 3.4), sharey=True)
    for panel, (cost, label, factor) in zip(panels, COSTS, strict=True):
        for rows, style, name in _lines(result):
            panel.plot(
                [factor * row[cost] for row in rows],
                [100 * row["accuracy"] for row in rows],
                style,
                label=name,
            )
        panel.set_xlabel(label)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("accuracy, %")
    panels[0].legend(fontsize=8, loc="lower right")
    figure.suptitle(f"{result['network']}, {result['data']}, {result['threads']} thread", fontsize=10)
    figure.tight_layout()
    figure.savefig(output, dpi=100)
    print(output)


def _lines(result: dict[str, Any]) -> list[tuple[list[dict[str, Any]], str, str]]:
    """Rows, style and name of each line."""
    network = result["network"]
    own = [row for row in result["rows"] if row.get("network", network) == network]
    other = [row for row in result["rows"] if row.get("network", network) != network]
    lines = [
        ([row for row in own if "budget" in row], "o-", "budget: early exit"),
        ([row for row in own if "exit" in row], "s--", "anytime: one exit for all"),
    ]
    return [*lines, (other, "^:", f"{other[0]['network']}: one exit for all")] if other else lines
