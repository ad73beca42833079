"""Files of JSON, one object a line, that only grow: what was written stays readable whenever a process dies."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast


def append_lines(path: Path, entries: Iterable[dict[str, Any]], *, is_synced: bool = True) -> None:
    """Append the entries, with ``is_synced`` also to the disk. OSError if that is impossible."""
    with path.open("a+b") as file:
        file.write(_end_of_torn_line(file))
        file.write(b"".join(json.dumps(entry).encode() + b"\n" for entry in entries))
        file.flush()
        if is_synced:
            os.fsync(file.fileno())


def _end_of_torn_line(file: BinaryIO) -> bytes:
    """What ends a line that was cut short, so that the next one does not continue it."""
    if file.seek(0, os.SEEK_END) == 0:
        return b""
    file.seek(-1, os.SEEK_END)
    return b"" if file.read(1) == b"\n" else b"\n"


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The entries of a file, which may be absent; lines that were cut short are left out."""
    with suppress(OSError), path.open("rb") as lines:
        for line in lines:
            with suppress(ValueError):
                entry = json.loads(line)
                if isinstance(entry, dict):
                    yield cast("dict[str, Any]", entry)
