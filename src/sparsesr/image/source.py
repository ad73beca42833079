"""Opening of inputs, paths or bytes, with a specific error for each kind of failure."""

from __future__ import annotations

import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyvips

from sparsesr.errors import InputError, LimitError, Wording
from sparsesr.image.vips_threads import claim
from sparsesr.limits import MEBIBYTE, ImageLimits


@dataclass
class OpenSource:
    """Readable bytes of known size: ``data`` in memory or an open file descriptor."""

    name: str
    """For messages."""
    size: int
    data: bytes | None = None
    descriptor: int = -1

    def read_at(self, offset: int, count: int) -> bytes:
        """Return ``count`` bytes from ``offset``; fewer at the end of the file. InputError if the system fails."""
        if self.data is not None:
            return self.data[offset : offset + count]
        count = min(count, self.size - offset)  # a damaged file may state places that no file can have
        parts: list[bytes] = []
        try:
            while count > 0 and (part := os.pread(self.descriptor, count, offset)):
                parts.append(part)
                offset, count = offset + len(part), count - len(part)
        except OSError as error:
            raise InputError(
                f"cannot be read ({error.strerror})",
                where=self.name,
                remedy="copy it from another disk, or check this one",
            ) from None
        return b"".join(parts)

    def check_whole(self) -> None:
        """Read everything; InputError if the system fails, which libvips reports as damaged data."""
        for offset in range(0, self.size if self.data is None else 0, MEBIBYTE):
            self.read_at(offset, MEBIBYTE)

    def for_vips(self) -> pyvips.Source:
        """Return a libvips source; this object must outlive it, because libvips does not copy ``data``.

        Raises:
            BackendError: this process cannot use libvips.
        """
        claim()
        if self.data is not None:
            return pyvips.Source.new_from_memory(self.data)
        # A descriptor rather than a name: any file name works, and the file cannot be swapped after the check.
        return pyvips.Source.new_from_descriptor(self.descriptor)


def in_memory(data: bytes) -> OpenSource:
    """Bytes that belong to a file, such as one of its blocks, for functions that read an open file."""
    return OpenSource("", len(data), data=data)


@contextmanager
def open_source(
    source: Path | bytes, limits: ImageLimits, name: str | None = None
) -> Generator[OpenSource, None, None]:
    """Open ``source``; ``name`` names bytes in messages. Raises InputError or LimitError."""
    if isinstance(source, bytes):
        opened = OpenSource(name or "<data>", len(source), data=source)
        _check_size(opened, limits)
        yield opened
        return
    descriptor = _open_file(source)
    try:
        opened = OpenSource(printable(source), os.fstat(descriptor).st_size, descriptor=descriptor)
        _check_size(opened, limits)
        yield opened
    finally:
        os.close(descriptor)


def printable(path: Path | str) -> str:
    """Return a path as text for a one-line message, whatever bytes its name contains."""
    text = os.fsencode(path).decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def check_readable(path: Path) -> None:
    """Raise InputError unless the file can be opened."""
    os.close(_open_file(path))


def _open_file(path: Path) -> int:
    name = printable(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InputError(
                "is a folder, not an image",
                where=name,
                remedy="name a file in it",
            )
        if not stat.S_ISREG(mode):
            raise InputError(
                "is not a regular file (a device or pipe)", where=name, remedy="copy it to a file first"
            )
        return os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise InputError("no such file", where=name, remedy="check the name and the folder") from None
    except PermissionError:
        raise InputError(
            "no permission to read it", where=name, remedy="change its permissions or copy it"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot be opened ({reason})", where=name) from None


def _check_size(source: OpenSource, limits: ImageLimits) -> None:
    if source.size == 0:
        raise InputError("the file is empty", where=source.name, remedy="copy or download it again")
    if source.size > limits.max_file_bytes:
        raise LimitError(
            f"{source.size // MEBIBYTE} MiB is over the limit of {limits.max_file_bytes // MEBIBYTE} MiB for an"
            " input file",
            where=source.name,
            remedy=Wording("raise {}", "max_file_bytes"),
        )
