"""``Store``: uploads, results and tiles in temporary files without names, within a number of bytes.

Such a file has no entry in any folder: it ends with its last use, at the latest with the process, however that ends.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from sparsesr.errors import LimitError
from sparsesr.limits import MEBIBYTE
from sparsesr.serve.errors import unknown

_BLOCK_BYTES = MEBIBYTE // 4


class StoredFile:
    """Bytes that are appended once and read at any place, by any thread."""

    def __init__(self, store: Store) -> None:
        """An empty file; :meth:`close` returns its bytes to the store. LimitError if the system has no more files."""
        self._store = store
        try:
            self._file = cast("BinaryIO", tempfile.TemporaryFile(buffering=0))  # noqa: SIM115
        except OSError as error:
            raise _full(error.strerror) from None
        self._lock = threading.Lock()
        self._is_closed, self._readers = False, 0
        self.size = 0

    def append(self, data: bytes | memoryview) -> None:
        """Write at the end. Raises LimitError if the store, or the disk below it, is full."""
        self._store.take(len(data))
        with self._lock:
            self.size += len(data)
            rest = memoryview(data)
            try:
                while rest:
                    rest = rest[self._file.write(rest) :]
            except OSError as error:
                raise _full(error.strerror) from None

    def read_at(self, offset: int, count: int) -> bytes:
        """Return up to ``count`` bytes; none once they are dropped."""
        with self._lock:  # or another file might get the number of this one between the check and the read
            return b"" if self._file.closed else os.pread(self._file.fileno(), count, offset)

    def read(self) -> bytes:
        """Return everything."""
        return self.read_at(0, self.size)

    def blocks(self) -> Iterator[bytes]:
        """Yield everything, in parts that need little memory."""
        offset = 0
        while block := self.read_at(offset, _BLOCK_BYTES):
            offset += len(block)
            yield block

    def close(self) -> None:
        """Drop the bytes, at the end of what holds them; more than once does no harm."""
        with self._lock:
            self._is_closed = True
            self._drop_if_unused()

    @contextmanager
    def held(self) -> Generator[None, None, None]:
        """Keep the bytes for the block: whoever is being sent them gets all. UnknownIdError if they are gone."""
        with self._lock:
            if self._is_closed:
                raise unknown("result")
            self._readers += 1
        try:
            yield
        finally:
            with self._lock:
                self._readers -= 1
                self._drop_if_unused()

    def _drop_if_unused(self) -> None:
        if self._is_closed and not self._readers and not self._file.closed:
            self._file.close()
            self._store.give_back(self.size)


class Store:
    """A limit on the bytes of all files together."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.used_bytes = 0
        self._lock = threading.Lock()

    def create(self, data: bytes = b"") -> StoredFile:
        """A new file that holds ``data``."""
        file = StoredFile(self)
        try:
            file.append(data)
        except LimitError:
            file.close()
            raise
        return file

    def take(self, nbytes: int) -> None:
        """Count bytes that will be written; LimitError if they are too many."""
        with self._lock:
            if self.used_bytes + nbytes > self.most_bytes:
                raise _full(f"{self.most_bytes // MEBIBYTE} MiB")
            self.used_bytes += nbytes

    def give_back(self, nbytes: int) -> None:
        """Count them no longer."""
        with self._lock:
            self.used_bytes -= nbytes


def _full(reason: str | None) -> LimitError:
    return LimitError(
        f"the server's space for images is used up ({reason})",
        remedy="remove finished images, or come again later",
    )
