"""Several models on several sets, in one table: as text, Markdown, CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsesr.errors import InputError, UsageError, Wording
from sparsesr.image.destination import atomic_file
from sparsesr.lab.evaluate.evaluation import SetResult

TABLE_FORMATS = ("text", "markdown", "csv", "json")
_PLOT = "plot"
_BY_SUFFIX = {".md": "markdown", ".csv": "csv", ".json": "json", ".svg": _PLOT}
_TEXT_HEADS = ("set", "model", "precision")
_HEADS = (*_TEXT_HEADS, "PSNR-Y", "SSIM-Y", "density", "GMAC", "seconds")


@dataclass(frozen=True)
class ComparisonRow:
    """A model on a set; means over its pictures."""

    set: str
    model: str
    scale: int
    precision: str
    """``fp32`` or ``bf16``: what it was computed in."""
    psnr_y: float
    """dB."""
    ssim_y: float
    density: float
    """Kept fraction; 1 for a model without masks."""
    macs: float
    seconds: float


def comparison_row(model: str, scale: int, precision: str, result: SetResult) -> ComparisonRow:
    """The row of one model on one set."""
    fields = ("psnr_y", "ssim_y", "density", "macs", "seconds")
    return ComparisonRow(
        result.name, model, scale, precision, **{field: result.mean(field) for field in fields}
    )


def format_table(rows: Sequence[ComparisonRow], kind: str) -> str:
    """All rows in one of ``TABLE_FORMATS``, rows of a set together, in the order of their first appearance."""
    order = {name: index for index, name in enumerate(dict.fromkeys(row.set for row in rows))}
    ordered = sorted(rows, key=lambda row: order[row.set])
    if kind == "json":
        return json.dumps([_record(row) for row in ordered], indent=1, allow_nan=False) + "\n"
    if kind == "csv":
        return _csv(ordered)
    cells = [_HEADS, *(_cells(row) for row in ordered)]
    return _markdown(cells) if kind == "markdown" else _text(cells)


def check_destinations(paths: Sequence[Path], overwrite: bool) -> None:
    """Before any work: UsageError for a file of another kind, InputError for one that exists or has no folder."""
    for path in paths:
        if path.suffix.lower() not in _BY_SUFFIX:
            raise UsageError(f"tables are written as {', '.join(_BY_SUFFIX)}", where=str(path))
        if path.exists() and not overwrite:
            remedy = Wording("pass {} or another {}", "overwrite", "output")
            raise InputError("exists", where=str(path), remedy=remedy)
        if not path.parent.is_dir():
            raise InputError(f"the folder {path.parent} does not exist", where=str(path), remedy="create it")


def write_table(path: Path, rows: Sequence[ComparisonRow], overwrite: bool) -> None:
    """Write the table, or for .svg the picture of quality over time; the suffix says what."""
    from sparsesr.lab.evaluate.quality_plot import quality_plot

    kind = _BY_SUFFIX[path.suffix.lower()]
    text = quality_plot(rows) if kind == _PLOT else format_table(rows, kind)
    with atomic_file(path, overwrite=overwrite) as file:
        file.write(text.encode())


def _record(row: ComparisonRow) -> dict[str, Any]:
    # JSON has no infinity: the PSNR of equal pictures is null
    return {key: None if value == float("inf") else value for key, value in vars(row).items()}


def _csv(rows: Sequence[ComparisonRow]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(ComparisonRow.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(vars(row) for row in rows)
    return text.getvalue()


def _cells(row: ComparisonRow) -> tuple[str, ...]:
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
