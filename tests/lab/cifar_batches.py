"""Small batch files as those of CIFAR-10's Python version."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

COUNT = 12
LABELS = [index % 10 for index in range(COUNT)]
PIXELS = np.random.default_rng(3).integers(256, size=(COUNT, 32, 32, 3), dtype=np.uint8)
ROW_BYTES = 3072


class Python2Pickler(pickle._Pickler):  # type: ignore[name-defined]
    """Writes bytes as Python 2 did, and so as the original files have them."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)  # type: ignore[attr-defined]

    def save_bytes(self, value: bytes) -> None:
        if len(value) < 256:
            self.write(pickle.SHORT_BINSTRING + struct.pack("<B", len(value)) + value)
        else:
            self.write(pickle.BINSTRING + struct.pack("<i", len(value)) + value)
        self.memoize(value)

    dispatch[bytes] = save_bytes


def contents(**changes: Any) -> dict[bytes, Any]:
    """What such a file holds, in the order of the original ones."""
    rows = PIXELS.transpose(0, 3, 1, 2).reshape(COUNT, ROW_BYTES)
    filled = {"batch_label": b"testing batch 1 of 1", "labels": LABELS, "data": rows, "filenames": [b"a.png"]}
    return {key.encode(): value for key, value in {**filled, **changes}.items() if value is not None}


def write_batch(path: Path, what: object, protocol: int = 2, keep: int | None = None) -> Path:
    """Pickle; ``keep``: cut the file so that this many bytes of pixels are left."""
    with path.open("wb") as file:
        (Python2Pickler if protocol == 2 else pickle._Pickler)(file, protocol).dump(what)  # type: ignore[attr-defined]
    if keep is not None:
        data = path.read_bytes()
        start = data.index(PIXELS[0].transpose(2, 0, 1).tobytes()[:64])
        path.write_bytes(data[: start + keep])
    return path
