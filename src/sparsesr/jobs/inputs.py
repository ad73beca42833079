"""Expansion of file names, folders and patterns to image files."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path

from sparsesr.errors import InputError, Wording
from sparsesr.image.source import printable

_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".tif", ".tiff", ".gif", ".bmp", ".dib"}
    | {".avif", ".heic", ".heif", ".hif", ".jxl", ".ppm", ".pgm", ".pbm", ".pnm"}
)


def expand(arguments: Iterable[str], *, recursive: bool) -> list[tuple[Path, Path]]:
    """Pairs (file, path relative to its argument), in order, without duplicates.

    A folder yields the images in it, with ``recursive`` also those in its subfolders. Names that do not exist are
    kept, so that each is reported; an existing file is accepted whatever its name.

    Raises:
        InputError: a folder or pattern matches nothing.
    """
    found: dict[str, tuple[Path, Path]] = {}
    for argument in arguments:
        for path, relative in _expand_one(argument, recursive):
            found.setdefault(os.path.realpath(path), (path, relative))
    return list(found.values())


def _expand_one(argument: str, recursive: bool) -> list[tuple[Path, Path]]:
    path = Path(argument)
    if path.is_dir():
        return _images_in(path, recursive)
    if path.exists() or not glob.has_magic(argument):
        return [(path, Path(path.name))]
    matches = [Path(match) for match in sorted(glob.glob(argument, recursive=True))]  # noqa: PTH207
    files = [match for match in matches if match.is_file()]
    if not files:
        raise InputError(
            "no file matches the pattern", where=printable(argument), remedy="check it, and quote it"
        )
    return [(match, Path(match.name)) for match in files]


def _images_in(folder: Path, recursive: bool) -> list[tuple[Path, Path]]:
    try:
        entries = folder.rglob("*") if recursive else folder.iterdir()
        found = sorted(path for path in entries if path.suffix.lower() in _SUFFIXES and path.is_file())
    except OSError as error:
        raise InputError(f"cannot be listed ({error.strerror})", where=printable(folder)) from None
    if not found:
        remedy = None if recursive else Wording("use {} to include subfolders", "recursive")
        raise InputError("no images in this folder", where=printable(folder), remedy=remedy)
    return [(path, path.relative_to(folder)) for path in found]
