"""Table files; the suffix selects the format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sparsesr.image.destination import atomic_file
from sparsesr.measure.quality_plot import quality_plot
from sparsesr.measure.tables import TableRow, format_table

_PLOT = "plot"
_KIND_OF = {".md": "markdown", ".csv": "csv", ".json": "json", ".svg": _PLOT}
SUFFIXES = tuple(_KIND_OF)


def write_table(path: Path, rows: Sequence[TableRow], overwrite: bool) -> None:
    """Write the table, or for .svg the plot of quality against time."""
    kind = _KIND_OF[path.suffix.lower()]
    text = quality_plot(rows) if kind == _PLOT else format_table(rows, kind)
    with atomic_file(path, overwrite=overwrite) as file:
        file.write(text.encode())
