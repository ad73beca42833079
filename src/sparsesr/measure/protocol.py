"""The evaluation protocol: image sets, cropped and downscaled as in the super-resolution literature."""

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
from sparsesr.measure.noise import noisy

Pixels = npt.NDArray[np.uint8]

SUFFIXES = frozenset((".png", ".webp", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".ppm", ".pgm"))
HR_FOLDER = "HR"


@dataclass(frozen=True)
class EvaluationImage:
    """One image of a set; without ``lr`` the small image is computed."""

    name: str
    hr: Path
    lr: Path | None = None


@dataclass(frozen=True)
class EvaluationSet:
    """Images whose figures are averaged."""

    name: str
    images: tuple[EvaluationImage, ...]


@dataclass(frozen=True)
class Pair:
    """A small image (h, w, 3) and its reference (scale h, scale w, 3), 8 bits; with noise LR is float32."""

    lr: Pixels | npt.NDArray[np.float32]
    hr: Pixels


def find_sets(data: Path, scale: int, names: Sequence[str] = ()) -> list[EvaluationSet]:
    """The sets that a folder holds.

    Args:
        data: a folder of HR images; or one with a folder ``HR`` and perhaps ``LRx2_std``; or one with such folders.
        scale: how many times larger HR is.
        names: which of the sets, by folder name, in this order; all if empty.

    Raises:
        InputError: there is no such folder or set.
    """
    if not data.is_dir():
        raise InputError(f"{data}: no such folder; name one with HR pictures, or with folders SET/HR")
    if (data / HR_FOLDER).is_dir() or (not names and _images_in(data)):
        return [_read_set(data, scale)]
    found = {folder.name: folder for folder in sorted(data.iterdir()) if (folder / HR_FOLDER).is_dir()}
    missing = [name for name in names if name not in found]
    if missing or not found:
        there_are = (
            f"there are {', '.join(found)}" if found else "there are no folders SET/HR and no pictures"
        )
        raise InputError(
            f"{data}: no set {missing[0] if missing else ''} here; {there_are}".replace("  ", " ")
        )
    return [_read_set(found[name], scale) for name in (names or found)]


def _read_set(folder: Path, scale: int) -> EvaluationSet:
    has_hr_folder = (folder / HR_FOLDER).is_dir()
    found = _images_in(folder / HR_FOLDER if has_hr_folder else folder)
    if not found:
        raise InputError(f"{folder}: no pictures in {HR_FOLDER}")
    # Only the `_std` files follow today's MATLAB (mirrored edges); others are computed instead.
    stored = {path.stem: path for path in _images_in(folder / f"LRx{scale}_std")} if has_hr_folder else {}
    images = (EvaluationImage(path.stem, path, stored.get(path.stem)) for path in found)
    return EvaluationSet(folder.resolve().name, tuple(images))


def _images_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())


def load_pair(image: EvaluationImage, scale: int, size_multiple: int = 1) -> Pair:
    """Read one image and make (or read) the small one.

    HR is cropped at the top left to multiples of ``scale`` and downscaled; then the small image is cropped to
    multiples of ``size_multiple``, and HR with it.

    Raises:
        InputError: a file is no image or too small, or the stored small image has another size.
    """
    hr = to_eight_bit(decode(image.hr).rgb)
    height, width = hr.shape[0] // scale, hr.shape[1] // scale
    hr = hr[: height * scale, : width * scale]
    if min(height, width) < size_multiple:
        raise InputError(f"{image.hr}: too small to be measured at x{scale}")
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
    """Name and pair of each image of a set, one at a time; ``noise_sigma`` (of 255) adds noise to the small ones."""
    for image in images.images:
        pair = load_pair(image, scale, size_multiple)
        if noise_sigma:
            pair = Pair(noisy(pair.lr, noise_sigma, image.name), pair.hr)
        yield image.name, pair
