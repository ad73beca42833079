"""Images with their classes in one array, and subsets of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsesr.errors import InputError, SparsesrError, UsageError
from sparsesr.lab.data.labelled_sources import Source
from sparsesr.lab.data.training_set import report_skipped

_SPLIT_SEED = 17
"""Fixed, so that the images held out from a training are known without its recipe."""


@dataclass(frozen=True)
class LabelledImages:
    """Images with classes; subsets share the arrays.

    Raises:
        ValueError: arrays that do not belong together.
    """

    source: str
    classes: Sequence[str]
    pixels: NDArray[np.uint8]
    """(N, S, S, 3)."""
    labels: NDArray[np.int64]
    """(N,), indices of classes; -1: not known."""
    chosen: NDArray[np.int64] | None = field(default=None, compare=False)
    """Indices of a subset; None: all."""

    def __post_init__(self) -> None:
        if self.pixels.ndim != 4 or len(self.pixels) != len(self.labels):
            raise ValueError(f"shape {self.pixels.shape}, {len(self.labels)} labels")

    def __len__(self) -> int:
        return len(self.labels if self.chosen is None else self.chosen)

    @property
    def side_px(self) -> int:
        """Height and width of the images."""
        return self.pixels.shape[1]

    @property
    def own_labels(self) -> NDArray[np.int64]:
        """Classes of this subset's images."""
        return self.labels if self.chosen is None else self.labels[self.chosen]

    def batch(self, which: slice | NDArray[np.int64]) -> tuple[NDArray[np.uint8], Tensor]:
        """Pixels (B, S, S, 3) and classes (B,) of some of these images."""
        indices = which if self.chosen is None else self.chosen[which]
        return np.array(self.pixels[indices]), torch.from_numpy(self.labels[indices])

    def split(self, held_out: int) -> tuple[LabelledImages, LabelledImages]:
        """The images to train on, and ``held_out`` others, drawn at random but always the same.

        Raises:
            UsageError: nothing would be left to train on.
        """
        if held_out >= len(self):
            raise UsageError(f"recipe: held_out {held_out} leaves none of {len(self)} images to train on")
        drawn = np.random.default_rng(_SPLIT_SEED).permutation(len(self))
        return self._subset(np.sort(drawn[held_out:])), self._subset(np.sort(drawn[:held_out]))

    def with_classes(self, classes: Sequence[str]) -> LabelledImages:
        """The same images, numbered by other classes; those whose class is not among them get -1."""
        places = {name: index for index, name in enumerate(classes)}
        renumbered = np.array([places.get(name, -1) for name in self.classes], np.int64)
        labels = np.where(self.labels < 0, -1, renumbered[self.labels])
        return LabelledImages(self.source, classes, self.pixels, labels, self.chosen)

    def part(self, index: int, parts: int) -> LabelledImages:
        """Every ``parts``-th image from ``index`` on."""
        return self._subset(np.arange(index, len(self), parts))

    def _subset(self, which: NDArray[np.int64]) -> LabelledImages:
        indices = which if self.chosen is None else self.chosen[which]
        return LabelledImages(self.source, self.classes, self.pixels, self.labels, indices)


def decode_all(source: Source, report: Callable[[str], None]) -> tuple[LabelledImages, list[str]]:
    """Decode the images of a source; also returns their names. Those that cannot be read are reported and left out.

    Raises:
        InputError: no usable image, one that is not square or differs in size.
    """
    pixels: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    names: list[str] = []
    skipped: list[str] = []
    for image in source.images:
        try:
            decoded = image.pixels()
        except SparsesrError as error:
            error.where = error.where or image.name
            skipped.append(str(error))
            continue
        _check_size(image.name, decoded, pixels)
        pixels.append(decoded)
        labels.append(image.label)
        names.append(image.name)
    report_skipped(skipped, report)
    if not pixels:
        raise InputError("no usable image", where=source.name, remedy="give PNG, JPEG, WebP or TIFF files")
    return LabelledImages(source.name, source.classes, np.stack(pixels), np.array(labels)), names


def _check_size(name: str, image: NDArray[np.uint8], others: Sequence[NDArray[np.uint8]]) -> None:
    height, width = image.shape[:2]
    if height != width or (others and others[0].shape != image.shape):
        side = f", not {others[0].shape[0]}x{others[0].shape[0]} as others" if others else ""
        raise InputError(f"is {width}x{height}{side}", where=name, remedy="give square images of one size")
