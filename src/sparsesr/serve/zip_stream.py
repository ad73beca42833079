"""A zip archive of results, written while it is sent."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

from sparsesr.serve.names import told_apart
from sparsesr.serve.upscaling import Result


class _Sink(io.RawIOBase):
    """Collects what is written; it cannot seek, so the archive is written from front to back."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        """What was written since the last call."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


def zip_blocks(results: Sequence[Result]) -> Iterator[bytes]:
    """Yield the archive in parts. Images are compressed already, so they are only stored."""
    sink = _Sink()
    names = told_apart(result.name for result in results)
    now = time.localtime()[:6]
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for name, result in zip(names, results, strict=True):
            with archive.open(zipfile.ZipInfo(name, now), "w", force_zip64=True) as entry:
                for block in result.file.blocks():
                    entry.write(block)
                    yield sink.taken()
    yield sink.taken()
