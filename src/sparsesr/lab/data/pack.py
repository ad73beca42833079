"""Packed training set: one memory-mapped uint8 file of aligned HR and LR images.

LR images are made by MATLAB-exact bicubic downscaling, as in the usual benchmarks.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsesr.errors import InputError, ModelError, SparsesrError
from sparsesr.image.decode import decode
from sparsesr.image.destination import atomic_file
from sparsesr.image.resize import imresize
from sparsesr.image.samples import to_eight_bit
from sparsesr.measure.protocol import SUFFIXES

FORMAT = 2


@dataclass(frozen=True)
class PackedPair:
    """Location of an image pair in the file: byte offsets of HR and LR, and the LR size."""

    name: str
    hr_offset: int
    lr_offset: int
    lr_height: int
    lr_width: int


class PackedPairs:
    """HR and LR images (uint8, (H, W, 3)) of one packed file.

    Raises:
        ModelError: the file or its index is missing, damaged, or of another format version.
    """

    def __init__(self, path: Path) -> None:
        try:
            index = json.loads(index_of(path).read_text())
            if index["format"] != FORMAT:
                raise ValueError(f"format {index['format']}")
            self.scale: int = index["scale"]
            self.folders: list[str] = index.get("folders", [])
            #: Image files that the folders held, usable or not; None if that was not noted yet.
            self.files: int | None = index.get("files")
            self.pairs = [PackedPair(**entry) for entry in index["pairs"]]
            #: The whole file, (N,) uint8.
            self.bytes = np.memmap(path, dtype=np.uint8, mode="c")  # torch wants writable memory
            end = max(pair.lr_offset + 3 * pair.lr_height * pair.lr_width for pair in self.pairs)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"not a packed training set ({type(error).__name__})", where=str(path), remedy=repacking(path)
            ) from None
        if end > self.bytes.size:
            raise ModelError("is truncated", where=str(path), remedy=repacking(path))

    def __len__(self) -> int:
        return len(self.pairs)

    def part(self, index: int, parts: int) -> PackedPairs:
        """The ``index``-th of ``parts`` runs of consecutive images, on the same mapped file.

        Raises:
            InputError: there are fewer images than parts.
        """
        if len(self) < parts:
            raise InputError(
                f"{len(self)} training image for {parts} disjoint parts",
                remedy=f"give at least {parts} images",
            )
        share = copy.copy(self)
        share.pairs = self.pairs[index * len(self) // parts : (index + 1) * len(self) // parts]
        return share

    def lr(self, index: int) -> NDArray[np.uint8]:
        """LR image at ``index``."""
        pair = self.pairs[index]
        return self._image(pair.lr_offset, pair.lr_height, pair.lr_width)

    def hr(self, index: int) -> NDArray[np.uint8]:
        """HR image at ``index``, exactly ``scale`` times larger than the LR image."""
        pair = self.pairs[index]
        return self._image(pair.hr_offset, pair.lr_height * self.scale, pair.lr_width * self.scale)

    def _image(self, offset: int, height: int, width: int) -> NDArray[np.uint8]:
        return self.bytes[offset : offset + height * width * 3].reshape(height, width, 3)


def index_of(packed: Path) -> Path:
    """The index of a packed file, written after it: a file without one is incomplete, and packed again."""
    return packed.with_suffix(".json")


def repacking(packed: Path) -> str:
    """What makes a run pack its images again."""
    return f"delete {index_of(packed)} to pack the images again"


def note_of_change(packed: Path, files_then: int | None, files_now: int) -> str | None:
    """A line about folders that held another number of files when they were packed; None if they did not."""
    if files_then in (None, files_now):
        return None
    return (
        f"note: {packed} was packed when there were {files_then:,} files, now there are {files_now:,};"
        f" {repacking(packed)}"
    )


def pack(folders: Iterable[Path], destination: Path, scale: int, min_lr_side_px: int) -> list[str]:
    """Write the packed file and its index atomically; return one line, with the reason, per skipped image.

    Grey images become RGB with equal channels; alpha is dropped.

    Raises:
        InputError: a folder is missing, no image is usable, or the file cannot be written.
    """
    folders = list(folders)
    pairs: list[PackedPair] = []
    skipped: list[str] = []
    paths = list(image_paths(folders))
    with atomic_file(destination, overwrite=True) as file:
        for path in paths:
            try:
                hr, lr = make_pair(decode(path).rgb, scale, min_lr_side_px)
            except SparsesrError as error:
                error.where = error.where or str(path)
                skipped.append(str(error))
                continue
            offset = file.tell()
            file.write(hr.tobytes())
            file.write(lr.tobytes())
            pairs.append(PackedPair(path.name, offset, offset + hr.nbytes, lr.shape[0], lr.shape[1]))
        if not pairs:
            raise InputError(_nothing_found(folders, skipped))
    index: dict[str, Any] = {
        "format": FORMAT,
        "scale": scale,
        "files": len(paths),
        "folders": [str(folder.resolve()) for folder in folders],
        "pairs": [asdict(pair) for pair in pairs],
    }
    with atomic_file(index_of(destination), overwrite=True) as file:
        file.write(json.dumps(index).encode())
    return skipped


def make_pair(
    rgb: NDArray[np.uint8 | np.uint16], scale: int, min_lr_side_px: int = 1
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Crop to whole LR pixels and downscale; returns (HR, LR), both uint8.

    Raises:
        InputError: an LR side is below ``min_lr_side_px``.
    """
    height, width = (side // scale for side in rgb.shape[:2])
    if min(height, width) < max(min_lr_side_px, 1):
        raise InputError(f"is {width}x{height} at low resolution, smaller than a patch of {min_lr_side_px}")
    hr = np.ascontiguousarray(to_eight_bit(rgb[: height * scale, : width * scale]))
    return hr, imresize(hr, Fraction(1, scale)).astype(np.uint8, copy=False)


def image_paths(folders: Iterable[Path]) -> Iterator[Path]:
    """Images below each folder, sorted. InputError if a folder is missing."""
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder of images; check the name")
        yield from sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def _nothing_found(folders: list[Path], skipped: list[str]) -> str:
    where = ", ".join(map(str, folders)) or "no folder given"
    if skipped:
        return f"{where}: none of {len(skipped)} images is usable (first error: {skipped[0]})"
    return f"{where}: no usable training image found; give folders with PNG, JPEG, WebP or TIFF files"
