"""Where labelled images come from: a folder of classes, or the digits of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsesr.errors import BackendError, InputError, UsageError
from sparsesr.image.decode import decode
from sparsesr.image.resize import imresize
from sparsesr.image.samples import to_eight_bit
from sparsesr.measure.protocol import SUFFIXES

TRAIN, TEST = "train", "test"
_DIGITS_TRAINED = 1437
"""Of the 1,797 digits; the others are for testing."""
_DIGIT_MAX, _DIGIT_SCALE = 16, 4


@dataclass(frozen=True)
class Labelled:
    """An image of a known class, not decoded yet."""

    name: str
    pixels: Callable[[], NDArray[np.uint8]]
    """Decodes it: (H, W, 3). InputError if it cannot be read."""
    label: int
    """Index of its class."""


@dataclass(frozen=True)
class Source:
    """Images of known classes."""

    name: str
    classes: list[str]
    images: Iterator[Labelled]


def open_source(dataset: str, folders: Sequence[str], split: str) -> Source:
    """The ``train`` or ``test`` images of a data set (see ``ClassifyingRecipe.dataset``).

    Raises:
        UsageError: no folder is named, or one for the digits.
        InputError: the folder holds no classes, or no test images.
        BackendError: scikit-learn is not installed.
    """
    if dataset == "digits":
        if folders:
            raise UsageError("recipe: the digits come with scikit-learn; name no folder")
        return _digits(split)
    if not folders:
        raise UsageError("recipe: name the folder of the classes")
    return _folder(Path(folders[0]), split)


def _folder(folder: Path, split: str) -> Source:
    root = folder / split if (folder / split).is_dir() else folder
    if not root.is_dir():
        raise InputError("no such folder of images", where=str(folder), remedy="check the name")
    if split == TEST and root == folder:  # all that is there was trained on
        raise InputError(f"holds no folder {TEST}", where=str(folder), remedy="name the images to classify")
    classes = sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(classes) < 2:
        raise InputError(
            "holds no classes",
            where=str(root),
            remedy="give a folder that holds one folder of images per class",
        )
    return Source(str(root.resolve()), classes, _files(root, classes))


def images_of_classes(folder: Path, classes: Sequence[str]) -> Source:
    """All images below a folder; those in a folder with the name of a class have it, others have -1.

    Raises:
        InputError: no such folder.
    """
    if not folder.is_dir():
        raise InputError("no such folder of images", where=str(folder), remedy="check the name")
    places = {name: index for index, name in enumerate(classes)}
    images = (_file(path, places.get(path.parent.name, -1)) for path in _images_below(folder))
    return Source(str(folder), list(classes), images)


def _files(root: Path, classes: Sequence[str]) -> Iterator[Labelled]:
    for label, name in enumerate(classes):
        for path in _images_below(root / name):
            yield _file(path, label)


def _images_below(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES)


def _file(path: Path, label: int) -> Labelled:
    return Labelled(str(path), partial(_decoded, path), label)


def _decoded(path: Path) -> NDArray[np.uint8]:
    return to_eight_bit(decode(path).rgb)


def _digits(split: str) -> Source:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise BackendError("need scikit-learn", where="digits", remedy="pip install scikit-learn") from None
    digits: Any = load_digits()
    part = slice(None, _DIGITS_TRAINED) if split == TRAIN else slice(_DIGITS_TRAINED, None)
    images = (
        Labelled(f"digit {index}", partial(_enlarged, pixels), int(label))
        for index, (pixels, label) in enumerate(zip(digits.images[part], digits.target[part], strict=True))
    )
    return Source(f"digits of scikit-learn, {split}", [str(digit) for digit in range(10)], images)


def _enlarged(digit: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A digit of 8x8 values in 0..16 as an image of 32x32."""
    grey = np.round(digit * (255 / _DIGIT_MAX)).astype(np.uint8)
    return imresize(np.repeat(grey[..., None], 3, axis=2), Fraction(_DIGIT_SCALE)).astype(
        np.uint8, copy=False
    )
