"""Where results go: names of output files, and the refusal of clashes before any work is done."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from sparsesr.errors import UsageError
from sparsesr.image.destination import FORMATS
from sparsesr.image.source import printable

_EXTENSIONS = {"jpeg": ".jpg", "png": ".png", "webp": ".webp", "tiff": ".tif"}


def default_output(
    source: Path, scale: int, *, folder: Path | None = None, format: str | None = None, label: str = ""
) -> Path:
    """``<stem>_x<scale>.<ext>`` beside the source, or in ``folder``.

    The extension is that of ``format`` (jpeg, png, webp, tiff), else the source's own, else ``.png`` where
    the source's format is read but not written (GIF, BMP...). ``label`` replaces ``x<scale>``.
    """
    if format is not None:
        extension = _EXTENSIONS[format]
    else:
        extension = source.suffix if source.suffix.lower() in FORMATS else ".png"
    return (folder or source.parent) / f"{source.stem}_{label or f'x{scale}'}{extension}"


def refuse_clashes(outputs: Mapping[Path, Path]) -> None:
    """Raise UsageError if an output is its input or another input, or two inputs share an output.

    ``outputs`` maps each input to its output.
    """
    inputs = {os.path.realpath(source): source for source in outputs}
    taken: dict[str, Path] = {}
    for source, output in outputs.items():
        real = os.path.realpath(output)
        if real in inputs:
            which = "the input itself" if inputs[real] == source else f"also an input ({inputs[real].name})"
            raise UsageError(f"{printable(output)}: is {which}; choose another -o")
        if real in taken:
            raise UsageError(
                f"{printable(source)} and {printable(taken[real])} would both become {printable(output)};"
                " enlarge them apart, into different folders"
            )
        taken[real] = source
