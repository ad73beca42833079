"""Batch files of CIFAR-10's Python version, read without unpickling, which would run code from the file.

Such a file is a pickled dictionary. Its labels come first, then one string with the pixels of all images; copies that
were cut short inside that string still hold whole images.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparsesr.errors import InputError
from sparsesr.lab.data.labelled_sources import Labelled, Source
from sparsesr.limits import MEBIBYTE

CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
_SIDE_PX = 32
_ROW_BYTES = 3 * _SIDE_PX * _SIDE_PX
_MAX_FILE_BYTES = 256 * MEBIBYTE
"""Six times as much as an original file has; the opcodes before the pixels are read one by one."""
_TEXT = ("SHORT_BINSTRING", "SHORT_BINBYTES", "SHORT_BINUNICODE", "BINUNICODE")
_LONG_TEXT = (b"T", b"B")
"""Opcodes of strings whose length takes four bytes, of Python 2 and 3."""
_INTEGERS = ("BININT", "BININT1", "BININT2")
_COUNT_BYTES = 4
"""Length of the number of bytes before the pixels."""


def source_of_batch(path: Path, classes: Sequence[str], report: Callable[[str], None]) -> Source:
    """The images of a batch file, with labels as indices of ``classes``, or -1 where a class is not among them.

    Says so if the file was cut short.

    Raises:
        InputError: the file cannot be read, or is no such batch.
    """
    pixels, labels = read_cifar_batch(path)
    if len(pixels) < len(labels):
        report(f"{path}: is cut short; holds {len(pixels):,} of {len(labels):,} images")
    places = {name: index for index, name in enumerate(classes)}
    images = (
        Labelled(f"{path.name} {index}", partial(pixels.__getitem__, index), places.get(CLASSES[label], -1))
        for index, label in enumerate(labels[: len(pixels)])
    )
    return Source(str(path), list(classes), images)


def read_cifar_batch(path: Path) -> tuple[NDArray[np.uint8], list[int]]:
    """The whole images (N, 32, 32, 3) of a batch file, and the labels of all that it once held: N or more.

    Raises:
        InputError: the file cannot be read, or is no such batch.
    """
    data = _read(path)
    header = _read_header(data)
    if problem := header.problem():
        raise _no_batch(path, problem)
    count = min(len(header.labels), (len(data) - header.pixels_at) // _ROW_BYTES)
    rows = np.frombuffer(data, np.uint8, count * _ROW_BYTES, header.pixels_at)
    return rows.reshape(count, 3, _SIDE_PX, _SIDE_PX).transpose(0, 2, 3, 1), header.labels


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise _no_batch(path, f"larger than {_MAX_FILE_BYTES // MEBIBYTE} MiB")
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot be read ({error.strerror})", where=str(path), remedy="check the name"
        ) from None


def _no_batch(path: Path, problem: str) -> InputError:
    return InputError(
        f"is no batch of CIFAR-10 images ({problem})",
        where=str(path),
        remedy="give a file such as test_batch of cifar-10-batches-py",
    )


@dataclass
class _Header:
    """What is known of a batch when its pixels begin."""

    labels: list[int] = field(default_factory=list[int])
    texts: list[str] = field(default_factory=list[str])
    before: str = ""
    """Opcode before the pixels."""
    pixels_at: int = 0
    """Offset in the file; 0: none were found."""
    promised_bytes: int = 0
    left_bytes: int = 0

    def problem(self) -> str:
        """Why this is no batch; empty: it is one."""
        if not self.labels:
            return "no labels at its beginning"
        if max(self.labels) >= len(CLASSES) or min(self.labels) < 0:
            return f"labels outside 0 to {len(CLASSES) - 1}"
        if not self.pixels_at or "data" not in self.texts:
            return "no pixels after its labels"
        # The array's type, and that its rows follow each other: the flag of Fortran order is the last before its bytes.
        if "u1" not in self.texts or self.before != "NEWFALSE":
            return "pixels are not rows of bytes"
        if self.promised_bytes != len(self.labels) * _ROW_BYTES:
            return f"{self.promised_bytes:,} bytes of pixels for {len(self.labels):,} labels"
        return "" if self.left_bytes >= _ROW_BYTES else "cut short before the end of its first image"


def _read_header(data: bytes) -> _Header:
    """Follow the opcodes up to the first long string."""
    stream, header, after = io.BytesIO(data), _Header(), 0
    try:
        for opcode, value, _ in pickletools.genops(stream):
            if data[after : after + 1] in _LONG_TEXT:
                break
            header.before, after = opcode.name, stream.tell()
            if opcode.name in _TEXT:
                header.texts.append(value.decode("latin-1") if isinstance(value, bytes) else str(value))
            elif isinstance(value, int) and header.texts[-1:] == ["labels"] and opcode.name in _INTEGERS:
                header.labels.append(value)
    except ValueError:  # cut short: the opcode that it ends in may be the one that is looked for
        pass
    if data[after : after + 1] in _LONG_TEXT:
        header.pixels_at = after + 1 + _COUNT_BYTES
        header.promised_bytes = int.from_bytes(data[after + 1 : header.pixels_at], "little")
        header.left_bytes = max(len(data) - header.pixels_at, 0)
    return header
