"""Packs folders of pictures into one uint8 file of aligned HR and LR pictures, made once and memory-mapped after.

LR is the HR shrunk by the MATLAB-exact bicubic, as in the usual benchmarks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparsesr.errors import InputError, SparsesrError
from sparsesr.image.decode import decode
from sparsesr.image.resize import imresize

_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"}


@dataclass(frozen=True)
class PackedPair:
    """Where one picture lies in the file: byte offset of the HR, then of the LR, and the LR size."""

    name: str
    hr_offset: int
    lr_offset: int
    lr_height: int
    lr_width: int


class PackedPairs:
    """HR and LR pictures (uint8, (H, W, 3)) of one packed file."""

    def __init__(self, path: Path) -> None:
        index = json.loads(path.with_suffix(".json").read_text())
        self.scale: int = index["scale"]
        self.pairs = [PackedPair(**entry) for entry in index["pairs"]]
        self._bytes = np.memmap(path, dtype=np.uint8, mode="r")

    def __len__(self) -> int:
        return len(self.pairs)

    def lr(self, index: int) -> NDArray[np.uint8]:
        """The LR picture of that index."""
        pair = self.pairs[index]
        return self._picture(pair.lr_offset, pair.lr_height, pair.lr_width)

    def hr(self, index: int) -> NDArray[np.uint8]:
        """The HR picture of that index, exactly ``scale`` times larger."""
        pair = self.pairs[index]
        return self._picture(pair.hr_offset, pair.lr_height * self.scale, pair.lr_width * self.scale)

    def _picture(self, offset: int, height: int, width: int) -> NDArray[np.uint8]:
        return self._bytes[offset : offset + height * width * 3].reshape(height, width, 3)


def pack(folders: Iterable[Path], destination: Path, scale: int, min_lr_side_px: int) -> list[str]:
    """Write the packed file and its index; returns one line per picture that was left out, and why."""
    pairs: list[PackedPair] = []
    skipped: list[str] = []
    with destination.open("wb") as file:
        for path in _pictures(folders):
            try:
                hr, lr = make_pair(decode(path).rgb, scale)
            except SparsesrError as error:
                skipped.append(str(error))
                continue
            if min(lr.shape[:2]) < min_lr_side_px:
                skipped.append(f"{path}: smaller than a training patch")
                continue
            offset = file.tell()
            file.write(hr.tobytes())
            file.write(lr.tobytes())
            pairs.append(PackedPair(path.name, offset, offset + hr.nbytes, lr.shape[0], lr.shape[1]))
    if not pairs:
        raise InputError("no usable training picture found; give folders with PNG, JPEG, WebP or TIFF files")
    index = {"scale": scale, "pairs": [asdict(pair) for pair in pairs]}
    destination.with_suffix(".json").write_text(json.dumps(index))
    return skipped


def make_pair(rgb: NDArray[np.uint8 | np.uint16], scale: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Crop to whole LR pixels and shrink: (HR, LR), both uint8."""
    if rgb.dtype == np.uint16:
        rgb = (rgb // 257).astype(np.uint8)
    height, width = (side // scale * scale for side in rgb.shape[:2])
    hr: NDArray[np.uint8] = np.ascontiguousarray(rgb[:height, :width], dtype=np.uint8)
    return hr, imresize(hr, (height // scale, width // scale)).astype(np.uint8, copy=False)


def _pictures(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        yield from sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
