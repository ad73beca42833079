"""Names of uploads: only for people, never a place in the file system."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from sparsesr.image.formats import FORMATS, format_of
from sparsesr.jobs.destinations import default_output

_LONGEST = 120
_UNKNOWN = "image"


def safe_name(text: str | None) -> str:
    """The last part of a name, printable and short; ``image`` if nothing is left."""
    last = re.split(r"[/\\]", text or "")[-1]
    printable = "".join(c for c in last if c.isprintable() and c not in '<>:"|?*').strip(". ")
    return printable[-_LONGEST:].strip(". ") or _UNKNOWN


def result_name(source: str, label: str, kind: str) -> str:
    """The name that ``sparsesr upscale`` would give, for a result of a kind of :data:`FORMATS`."""
    own = format_of(PurePosixPath(source).suffix)
    is_same = own is not None and own.kind == kind
    return default_output(Path(source), label, format=None if is_same else kind).name


def mime_of(kind: str) -> str:
    """The media type of a kind of :data:`FORMATS`."""
    return FORMATS[kind].mime


def as_attachment(name: str) -> str:
    """The value of Content-Disposition, for any name (RFC 6266)."""
    plain = "".join(c if c.isascii() and c not in '"\\%' else "_" for c in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def told_apart(names: Iterable[str]) -> list[str]:
    """The names, numbered where one occurs again: ``a.png``, ``a (2).png``."""
    taken: set[str] = set()
    found: list[str] = []
    for name in names:
        path, number, new = PurePosixPath(name), 1, name
        while new.lower() in taken:
            number += 1
            new = f"{path.stem} ({number}){path.suffix}"
        taken.add(new.lower())
        found.append(new)
    return found
