"""Which files are meant by names of files, folders and patterns."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path

from sparsesr.errors import InputError, Wording
from sparsesr.image.source import printable

_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".tif", ".tiff", ".gif", ".bmp", ".dib"}
    | {".avif", ".heic", ".heif", ".ppm", ".pgm", ".pbm", ".pnm"}
)


def expand(arguments: Iterable[str], *, recursive: bool) -> list[tuple[Path, Path]]:
    """Pairs (file, path relative to the argument that brought it), in order, without repeats.

    A folder brings the pictures in it, with ``recursive`` also those below. Names that do not exist are
    kept, to be reported one by one; an existing file is taken whatever its name.

    Raises:
        InputError: a folder or pattern brings nothing.
    """
    found: dict[str, tuple[Path, Path]] = {}
    for argument in arguments:
        for path, relative in _expand_one(argument, recursive):
            found.setdefault(os.path.realpath(path), (path, relative))
    return list(found.values())


def _expand_one(argument: str, recursive: bool) -> list[tuple[Path, Path]]:
    path = Path(argument)
    if path.is_dir():
        return _pictures_in(path, recursive)
    if path.exists() or not glob.has_magic(argument):
        return [(path, Path(path.name))]
    matches = [Path(match) for match in sorted(glob.glob(argument, recursive=True))]  # noqa: PTH207
    pictures = [match for match in matches if match.is_file()]
    if not pictures:
        raise InputError(
            "no file matches the pattern", where=printable(argument), remedy="check it, and quote it"
        )
    return [(match, Path(match.name)) for match in pictures]


def _pictures_in(folder: Path, recursive: bool) -> list[tuple[Path, Path]]:
    try:
        entries = folder.rglob("*") if recursive else folder.iterdir()
        found = sorted(path for path in entries if path.suffix.lower() in _SUFFIXES and path.is_file())
    except OSError as error:
        raise InputError(f"cannot be listed ({error.strerror})", where=printable(folder)) from None
    if not found:
        remedy = None if recursive else Wording("use {} for those in folders below", "recursive")
        raise InputError("no pictures in this folder", where=printable(folder), remedy=remedy)
    return [(path, path.relative_to(folder)) for path in found]
