"""Evaluation protocol: image sets, cropped and downscaled as in the super-resolution literature."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sparsesr.errors import InputError
from sparsesr.image.decode import decode
from sparsesr.image.resize import imresize
from sparsesr.image.samples import to_eight_bit
from sparsesr.image.source import printable
from sparsesr.measure.noise import noisy

Pixels = npt.NDArray[np.uint8]

SUFFIXES = frozenset((".png", ".webp", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".ppm", ".pgm"))
HR_FOLDER = "HR"


@dataclass(frozen=True)
class EvaluationImage:
    """One image of a set; without ``lr``, LR is computed from HR."""

    name: str
    hr: Path
    lr: Path | None = None


@dataclass(frozen=True)
class EvaluationSet:
    """A set of images; figures are means over it."""

    name: str
    images: tuple[EvaluationImage, ...]


@dataclass(frozen=True)
class Pair:
    """An LR image (h, w, 3) and its HR reference (scale h, scale w, 3), 8 bits; LR with noise is float32."""

    lr: Pixels | npt.NDArray[np.float32]
    hr: Pixels


def find_sets(data: Path, scale: int, names: Sequence[str] = ()) -> list[EvaluationSet]:
    """Find the sets in a folder.

    Args:
        data: a folder of HR images; or a folder with ``HR`` and optionally ``LRx2_std``; or a folder of such folders.
        scale: HR size / LR size.
        names: folder names of the sets, in this order; all sets if empty.

    Raises:
        InputError: there is no such folder or set.
    """
    if not data.is_dir():
        raise InputError(f"{data}: no such folder; name one with HR images, or with folders SET/HR")
    if (data / HR_FOLDER).is_dir() or (not names and _images_in(data)):
        return [_read_set(data, scale)]
    found = {folder.name: folder for folder in sorted(data.iterdir()) if (folder / HR_FOLDER).is_dir()}
    missing = [name for name in names if name not in found]
    if missing or not found:
        available = f"there are {', '.join(found)}" if found else "there are no folders SET/HR and no images"
        raise InputError(
            f"{data}: no set {missing[0] if missing else ''} here; {available}".replace("  ", " ")
        )
    return [_read_set(found[name], scale) for name in (names or found)]


def _read_set(folder: Path, scale: int) -> EvaluationSet:
    has_hr_folder = (folder / HR_FOLDER).is_dir()
    found = _images_in(folder / HR_FOLDER if has_hr_folder else folder)
    if not found:
        raise InputError(f"{folder}: no images in {HR_FOLDER}")
    # Only `_std` files follow current MATLAB (mirrored edges); other LR files are ignored and computed.
    stored = {path.stem: path for path in _images_in(folder / f"LRx{scale}_std")} if has_hr_folder else {}
    images = (EvaluationImage(path.stem, path, stored.get(path.stem)) for path in found)
    return EvaluationSet(folder.resolve().name, tuple(images))


def _images_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())


def load_pair(image: EvaluationImage, scale: int, size_multiple: int = 1) -> Pair:
    """Read one HR image, and read or compute its LR image.

    HR is cropped to multiples of ``scale``, keeping the top left, and downscaled; then LR is cropped to multiples of
    ``size_multiple``, and HR with it.

    Raises:
        InputError: a file is not an image or too small, or a stored LR image has the wrong size.
    """
    hr = to_eight_bit(decode(image.hr).rgb)
    height, width = hr.shape[0] // scale, hr.shape[1] // scale
    hr = hr[: height * scale, : width * scale]
    if min(height, width) < size_multiple:
        raise InputError(
            f"too small to be measured at x{scale}",
            where=printable(image.hr),
            remedy="leave it out of the set",
        )
    if image.lr is None:
        lr = imresize(hr, Fraction(1, scale), edge="mirror")
    else:
        lr = to_eight_bit(decode(image.lr).rgb)
        if lr.shape[:2] != (height, width):
            found = f"{lr.shape[1]}x{lr.shape[0]}"
            raise InputError(f"{image.lr}: is {found}, but HR / {scale} is {width}x{height}")
    rows, columns = height // size_multiple * size_multiple, width // size_multiple * size_multiple
    return Pair(
        np.ascontiguousarray(lr[:rows, :columns]),
        np.ascontiguousarray(hr[: rows * scale, : columns * scale]),
    )


def load_pairs(
    images: EvaluationSet, scale: int, size_multiple: int, noise_sigma: float = 0.0
) -> Iterator[tuple[str, Pair]]:
    """Yield name and pair of each image of a set; ``noise_sigma`` (of 255) adds noise to LR."""
    for image in images.images:
        pair = load_pair(image, scale, size_multiple)
        if noise_sigma:
            pair = Pair(noisy(pair.lr, noise_sigma, image.name), pair.hr)
        yield image.name, pair
