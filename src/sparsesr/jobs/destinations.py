"""Names of output files, and refusal of clashes before any work."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from sparsesr.errors import UsageError, Wording
from sparsesr.image.destination import FORMATS, resolve_format
from sparsesr.image.source import printable

_EXTENSIONS = {"jpeg": ".jpg", "png": ".png", "webp": ".webp", "tiff": ".tif"}


def default_output(
    source: Path, scale: int, *, folder: Path | None = None, format: str | None = None, label: str = ""
) -> Path:
    """``<stem>_x<scale>.<ext>`` beside the source, or in ``folder``.

    The extension is that of ``format`` (jpg, png, webp, tif...), else that of the source, else ``.png`` if the
    source's format can be read but not written (GIF, BMP...). ``label`` replaces ``x<scale>``.
    """
    if format is not None:
        extension = _EXTENSIONS[resolve_format(None, format)]
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
            raise UsageError(
                f"is {which}", where=printable(output), remedy=Wording("choose another {}", "output")
            )
        if real in taken:
            raise UsageError(
                f"{printable(source)} and {printable(taken[real])} would both become {printable(output)}",
                remedy="upscale them separately, into different folders",
            )
        taken[real] = source


def targets_for(
    files: Sequence[tuple[Path, Path]], output: str | None, scale: int, format: str | None = None
) -> dict[Path, Path]:
    """Map the files of :func:`sparsesr.jobs.inputs.expand` to outputs; creates folders and refuses clashes.

    ``output`` is treated as a folder if it is one, if its name looks like one, or if there are several files.
    """
    as_folder = output is not None and (len(files) > 1 or _looks_like_folder(output))
    targets: dict[Path, Path] = {}
    for path, relative in files:
        if output is not None and not as_folder:
            targets[path] = Path(output)
        else:
            folder = None if output is None else Path(output) / relative.parent
            targets[path] = default_output(path, scale, folder=folder, format=format)
    refuse_clashes(targets)
    if as_folder:
        _make_folders(targets)
    return targets


def _looks_like_folder(output: str) -> bool:
    return output.endswith(("/", os.sep)) or Path(output).is_dir() or not Path(output).suffix


def _make_folders(targets: Mapping[Path, Path]) -> None:
    for target in targets.values():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"cannot be created ({error.strerror})",
                where=printable(target.parent),
                remedy=Wording("choose another {}", "output"),
            ) from None
