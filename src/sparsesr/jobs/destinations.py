"""Names of output files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from sparsesr.errors import UsageError, Wording
from sparsesr.image.destination import resolve_format
from sparsesr.image.formats import FORMATS, format_of
from sparsesr.image.source import printable
from sparsesr.jobs.identity import Identities
from sparsesr.jobs.inputs import has_image_suffix

_RESULT = re.compile(r"(.+)_x\d+(?:\.\d+)?", re.DOTALL)


def default_output(
    source: Path,
    label: str,
    *,
    folder: Path | None = None,
    format: str | None = None,
    apart: bool = False,
) -> Path:
    """``<stem>_<label>.<ext>`` beside the source, or in ``folder``; the label is ``x2`` for results of twice the size.

    The extension is that of ``format`` (jpg, png, webp, tif...), else that of the source, else ``.png`` if the
    source's format can be read but not written (GIF, BMP...). The stem is the whole name if that does not end like
    the name of an image. ``apart``: the stem of ``a.png`` is ``a_png``, which keeps the results for ``a.png`` and
    ``a.jpg`` apart.
    """
    if format is not None:
        extension = FORMATS[resolve_format(None, format)].extensions[0]
    else:
        extension = source.suffix if format_of(source.suffix) else ".png"
    stem = _stem_apart(source) if apart else _stem(source)
    return (folder or source.parent) / f"{stem}_{label}{extension}"


def _stem(source: Path) -> str:
    return source.stem if has_image_suffix(source) else source.name


def _stem_apart(source: Path) -> str:
    return f"{source.stem}_{source.suffix[1:]}" if has_image_suffix(source) else source.name


def results_among(files: Iterable[tuple[Path, Path]], label: str, folder: Path | None = None) -> list[Path]:
    """The files that are named like results for others: ``a_x2.png`` for ``a.png`` or ``a.jpg``.

    That is, with ``label`` or any scale. ``files`` are pairs (file, path relative to its argument). A result is beside
    its source, below the same argument, or in ``folder``, where this batch writes.
    """
    files = list(files)
    named_so = [file for file in files if _stem_of_source(file[0], label) is not None]
    if not named_so:
        return []
    sources = {
        (place, stem) for file in files for place in _places(*file, folder) for stem in _stems(file[0])
    }
    return [path for path, relative in named_so if _is_result(path, relative, label, sources)]


def _is_result(path: Path, relative: Path, label: str, sources: set[tuple[Path, str]]) -> bool:
    stem = _stem_of_source(path, label)
    return stem is not None and any((place, stem) in sources for place in _places(path, relative, None))


def _stem_of_source(path: Path, label: str) -> str | None:
    """The stem of the file for which this may be a result; None if it is not named like one."""
    if format_of(path.suffix) is None:
        return None
    match = _RESULT.fullmatch(path.stem)
    if match is not None:
        return match.group(1)
    # Only a scale in a name is sign enough: files named like "a_w800" may well be somebody's own.
    own = path.stem.removesuffix(f"_{label}")
    return own if own != path.stem else None


def _places(path: Path, relative: Path, folder: Path | None) -> list[Path]:
    """The folder of a file, that of its argument, and that of its result."""
    places = [path.parent, path.parents[len(relative.parts) - 1]]
    return places if folder is None else [*places, folder / relative.parent]


def _stems(path: Path) -> tuple[str, str]:
    return _stem(path), _stem_apart(path)


def refuse_same(source: Path, output: Path) -> None:
    """Raise UsageError if the output is the input."""
    real = Identities()
    if real.of(source) == real.of(output):
        remedy = Wording("choose another {}", "output")
        raise UsageError("is the input itself", where=printable(output), remedy=remedy)
