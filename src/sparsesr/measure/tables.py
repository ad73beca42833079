"""Tables of several models on several sets: text, Markdown, CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sparsesr.measure.quality import SetResult

TABLE_FORMATS = ("text", "markdown", "csv", "json")
_TEXT_HEADS = ("set", "model", "precision")
_HEADS = (*_TEXT_HEADS, "PSNR-Y", "SSIM-Y", "density", "GMAC", "seconds")


@dataclass(frozen=True)
class TableRow:
    """A model on a set; means over the images."""

    set: str
    model: str
    scale: int
    precision: str
    """``fp32`` or ``bf16``."""
    psnr_y: float
    """dB."""
    ssim_y: float
    density: float
    """Fraction kept; 1 for a model without masks."""
    macs: float
    seconds: float


def table_row(model: str, scale: int, precision: str, result: SetResult) -> TableRow:
    """Return the row of one model on one set."""
    fields = ("psnr_y", "ssim_y", "density", "macs", "seconds")
    return TableRow(result.name, model, scale, precision, **{field: result.mean(field) for field in fields})


def format_table(rows: Sequence[TableRow], kind: str) -> str:
    """Format rows in one of ``TABLE_FORMATS``, grouped by set in order of first appearance."""
    order = {name: index for index, name in enumerate(dict.fromkeys(row.set for row in rows))}
    ordered = sorted(rows, key=lambda row: order[row.set])
    if kind == "json":
        return json.dumps([_record(row) for row in ordered], indent=1, allow_nan=False) + "\n"
    if kind == "csv":
        return _csv(ordered)
    cells = [_HEADS, *(_cells(row) for row in ordered)]
    return _markdown(cells) if kind == "markdown" else _text(cells)


def _record(row: TableRow) -> dict[str, Any]:
    # JSON has no infinity, so the PSNR of equal images is null.
    return {key: None if value == float("inf") else value for key, value in vars(row).items()}


def _csv(rows: Sequence[TableRow]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(TableRow.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(vars(row) for row in rows)
    return text.getvalue()


def _cells(row: TableRow) -> tuple[str, ...]:
    quality = (f"{row.psnr_y:.3f}", f"{row.ssim_y:.4f}")
    about, cost = (
        (row.set, row.model, row.precision),
        (f"{row.density:.3f}", f"{row.macs / 1e9:.3f}", f"{row.seconds:.3f}"),
    )
    return (*about, *quality, *cost)


def _markdown(cells: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells]
    return (
        "\n".join(
            [
                lines[0],
                "|" + "---|" * len(_TEXT_HEADS) + "---:|" * (len(_HEADS) - len(_TEXT_HEADS)),
                *lines[1:],
            ]
        )
        + "\n"
    )


def _text(cells: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in cells) for column in range(len(_HEADS))]
    lines = [
        "  ".join(
            cell.ljust(width) if column < len(_TEXT_HEADS) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]
    return "\n".join(line.rstrip() for line in lines) + "\n"
