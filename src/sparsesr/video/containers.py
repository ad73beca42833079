"""Containers that results are written to, and names of results."""

from __future__ import annotations

from pathlib import Path

from sparsesr.errors import UsageError, Wording
from sparsesr.image.destination import check_path
from sparsesr.image.source import printable
from sparsesr.jobs.destinations import refuse_same
from sparsesr.jobs.pairing import file_in

_FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
_FALLBACK = ".mkv"
"""It holds nearly everything."""


def container_format(suffix: str) -> str:
    """FFmpeg's name of the container for a suffix of :func:`checked_output`."""
    return _FORMATS[suffix]


def checked_output(source: Path, output: str | None, label: str, *, overwrite: bool) -> Path:
    """The file to write: ``output``, or in that folder, which is made, or beside the source, ``<stem>_<label>``.

    Such a name has the suffix of the source if that is a container that can be written, else ``.mkv``.

    Raises:
        UsageError: the container is unknown, or the output is the input.
        InputError: the output exists, or cannot be written.
    """
    suffix = source.suffix.lower() if source.suffix.lower() in _FORMATS else _FALLBACK
    name = f"{source.stem}_{label}{suffix}"
    path = source.with_name(name) if output is None else file_in(output, name)
    if path.suffix.lower() not in _FORMATS:
        raise UsageError(
            f"{path.suffix or 'no suffix'} is no container that can be written",
            where=printable(path),
            remedy=Wording(f"name an {{}} that ends in {', '.join(_FORMATS)}", "output"),
        )
    refuse_same(source, path)
    check_path(path, overwrite)
    return path
