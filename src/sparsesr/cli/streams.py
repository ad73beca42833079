"""Standard streams in bad circumstances: closed, on a full disk, without a reader, or unable to show a name.

What a command prints is less than what it does: work goes on, and the exit status says that output was lost.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any, TextIO

from sparsesr.errors import InputError

STDIN, STDOUT, STDERR = 0, 1, 2
_was_closed: set[int] = set()


class _TolerantFile(io.FileIO):
    """A stream that drops what cannot be written, and remembers why."""

    failure: OSError | None = None

    def write(self, data: Any) -> int:
        if was_closed(self.fileno()):
            self.failure = self.failure or OSError(errno.EBADF, "it is closed")
        if self.failure is None:
            try:
                return super().write(data) or 0
            except BrokenPipeError:
                if self.fileno() != STDERR:
                    raise
            except OSError as error:
                self.failure = error
        return len(memoryview(data).cast("B"))


def prepare_streams() -> None:
    """Make the standard streams of this process usable, whatever it was started with."""
    for number in (STDIN, STDOUT, STDERR):
        _reopen_if_closed(number)
    sys.stdin = sys.stdin or open(STDIN, closefd=False)  # noqa: SIM115
    sys.stdout = _tolerant(STDOUT, sys.stdout)
    sys.stderr = _tolerant(STDERR, sys.stderr)


def _reopen_if_closed(number: int) -> None:
    """Without this the next file that is opened would get the number, and with it what libraries print."""
    try:
        os.fstat(number)
    except OSError:
        _was_closed.add(number)
        os.open(os.devnull, os.O_RDWR)  # gets the lowest free number


def _tolerant(number: int, stream: TextIO | None) -> TextIO:
    """``stream`` may be None, if the number was closed."""
    raw = _TolerantFile(number, "wb", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=None if stream is None else stream.encoding,
        errors="backslashreplace",
        line_buffering=number == STDERR or raw.isatty(),
    )


def was_closed(number: int) -> bool:
    """True if the stream was closed when this process started."""
    return number in _was_closed


def check_open(number: int, name: str) -> None:
    """Raise InputError if the stream was closed when this process started."""
    if was_closed(number):
        raise InputError("is closed", where=name)


def is_terminal(stream: TextIO | None) -> bool:
    """True if a person may be looking at the stream."""
    return stream is not None and not stream.closed and stream.isatty()


def silence(stream: TextIO) -> None:
    """Drop what is printed from now on: the reader is gone, and Python would report that again at exit."""
    number = os.open(os.devnull, os.O_WRONLY)
    os.dup2(number, stream.fileno())
    os.close(number)


def lost_output() -> InputError | None:
    """Flush standard output; the error if anything that was printed there is lost, once."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        silence(sys.stdout)
    except OSError as error:
        return _lost(error)
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if not isinstance(raw, _TolerantFile) or raw.failure is None:
        return None
    failure, raw.failure = raw.failure, None
    return _lost(failure)


def _lost(error: OSError) -> InputError:
    from sparsesr.image.destination import write_error  # loads libvips

    described = write_error(None, error)
    return InputError(described.what, where="standard output", remedy="its contents are incomplete")
