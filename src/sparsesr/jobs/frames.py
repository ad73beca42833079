"""Frames of a pipe: the number of bytes in decimal, a newline, and the bytes.

Every language and shell can write and read them; see ``docs/programs.md``.
"""

from __future__ import annotations

import io
from typing import BinaryIO

from sparsesr.errors import InputError, LimitError
from sparsesr.limits import MEBIBYTE

_LONGEST_LINE = 21
"""The digits of a 64-bit number, and the newline."""


class FrameReader:
    """Reads frames, and nothing beyond them, from a buffered stream."""

    def __init__(self, stream: BinaryIO, most_bytes: int) -> None:
        """``most_bytes``: longer frames are refused before memory is taken for them."""
        self._stream, self._most_bytes = stream, most_bytes
        self._refused_bytes = 0

    def next(self) -> bytes | None:
        """Return the next frame; None at the end of the stream.

        Raises:
            LimitError: the frame is too long; the next call skips it.
            InputError: this is not a frame, or the stream ends inside it. Nothing more can be read.
        """
        self._skip()
        length = self._length()
        if length is not None and length > self._most_bytes:
            self._refused_bytes = length
            raise LimitError(
                f"{length} bytes are over the limit of {self._most_bytes // MEBIBYTE} MiB for an image",
                remedy="shrink it or cut it into parts",
            )
        return None if length is None else self._body(length)

    def _length(self) -> int | None:
        line = self._stream.readline(_LONGEST_LINE)
        if not line:
            return None
        if not line.endswith(b"\n") and len(line) < _LONGEST_LINE:
            raise InputError("the stream ends inside the length of a frame")
        digits = line.strip()
        if not (line.endswith(b"\n") and digits.isdigit()):
            raise InputError(
                f"{line.decode('ascii', 'backslashreplace')!r} is not the length of a frame",
                remedy="before each image, write its number of bytes in decimal and a newline",
            )
        return int(digits)

    def _body(self, length: int) -> bytes:
        body = io.BytesIO()  # grows with what arrives: a length alone takes no memory
        while (missing := length - body.tell()) > 0:
            part = self._stream.read(min(missing, MEBIBYTE))
            if not part:
                raise InputError(f"the stream ends after {body.tell()} of {length} bytes of a frame")
            body.write(part)
        return body.getvalue()

    def _skip(self) -> None:
        while self._refused_bytes:
            part = self._stream.read(min(self._refused_bytes, MEBIBYTE))
            if not part:
                raise InputError("the stream ends inside a frame that was refused")
            self._refused_bytes -= len(part)


def write_frame(stream: BinaryIO, data: bytes) -> None:
    """Write one frame; the caller flushes."""
    stream.write(b"%d\n" % len(data))
    stream.write(data)
