"""Packed labelled images: one array, decoded once and memory-mapped, with an index beside it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sparsesr.errors import InputError, ModelError, SparsesrError, UsageError
from sparsesr.image.destination import atomic_file
from sparsesr.lab.data.labelled_sources import TRAIN, Source, open_source
from sparsesr.lab.data.training_set import report_skipped, wait_for

FORMAT = 1
_SPLIT_SEED = 17
"""Fixed, so that the images held out from a training are known without its recipe."""


class LabelledImages:
    """Images (N, S, S, 3) uint8 with their classes; subsets share the mapped file.

    Raises:
        ModelError: the file or its index is missing, damaged, or of another version.
    """

    def __init__(self, path: Path) -> None:
        try:
            index = json.loads(path.with_suffix(".json").read_text())
            if index["format"] != FORMAT:
                raise ValueError(f"format {index['format']}")
            self.source: str = index["source"]
            self.classes: list[str] = index["classes"]
            self._pixels: NDArray[np.uint8] = np.load(path, mmap_mode="r")
            self._labels = np.asarray(index["labels"], np.int64)
            if self._pixels.ndim != 4 or len(self._pixels) != len(self._labels):
                raise ValueError(f"shape {self._pixels.shape}")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"not a packed set of labelled images ({type(error).__name__})",
                where=str(path),
                remedy="delete it to pack the images again",
            ) from None
        self._chosen = np.arange(len(self._labels))

    def __len__(self) -> int:
        return len(self._chosen)

    @property
    def side_px(self) -> int:
        """Height and width of the images."""
        return self._pixels.shape[1]

    def batch(self, which: slice | NDArray[np.int64]) -> tuple[NDArray[np.uint8], torch.Tensor]:
        """Pixels (B, S, S, 3) and classes (B,) of some of these images."""
        chosen = self._chosen[which]
        return self._pixels[chosen], torch.from_numpy(self._labels[chosen])

    def split(self, held_out: int) -> tuple[LabelledImages, LabelledImages]:
        """The images to train on, and ``held_out`` others, drawn at random but always the same.

        Raises:
            UsageError: nothing would be left to train on.
        """
        if held_out >= len(self):
            raise UsageError(f"recipe: held_out {held_out} leaves none of {len(self)} images to train on")
        drawn = np.random.default_rng(_SPLIT_SEED).permutation(len(self))
        return self._subset(np.sort(drawn[held_out:])), self._subset(np.sort(drawn[:held_out]))

    def part(self, index: int, parts: int) -> LabelledImages:
        """Every ``parts``-th image from ``index`` on."""
        return self._subset(np.arange(index, len(self), parts))

    def _subset(self, which: NDArray[np.int64]) -> LabelledImages:
        subset = copy.copy(self)
        subset._chosen = self._chosen[which]
        return subset


def open_labelled(
    dataset: str,
    folders: Sequence[str],
    packed: Path,
    report: Callable[[str], None],
    *,
    split: str = TRAIN,
    packs: bool = True,
) -> LabelledImages:
    """Open packed images, packing them first if ``packed`` is missing; images that cannot be read are reported.

    Processes with ``packs`` False wait for the one that packs.

    Raises:
        UsageError: the file was packed from other images.
        InputError: no usable images, or they differ in size.
        ModelError: the packed file is damaged.
    """
    index = packed.with_suffix(".json")
    if not index.exists():
        if packs:
            report("packing the images (once)")
            pack_labelled(open_source(dataset, folders, split), packed, report)
        else:
            wait_for(index)
    images = LabelledImages(packed)
    if (folders or dataset != "folder") and (wanted := open_source(dataset, folders, split).name) != images.source:
        raise UsageError(
            f"was packed from {images.source}, not {wanted}",
            where=str(packed),
            remedy="delete it, or choose another with packed=",
        )
    return images


def pack_labelled(source: Source, destination: Path, report: Callable[[str], None]) -> None:
    """Decode all images of a source into one array on disk; the index is written last.

    Raises:
        InputError: no usable image, one that is not square or differs in size, or the file cannot be written.
    """
    pixels: list[NDArray[np.uint8]] = []
    labels: list[int] = []
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
    report_skipped(skipped, report)
    if not pixels:
        raise InputError("no usable image", where=source.name, remedy="give folders with PNG, JPEG or TIFF files")
    with atomic_file(destination, overwrite=True) as file:
        np.save(file, np.stack(pixels))
    index = {"format": FORMAT, "source": source.name, "classes": source.classes, "labels": labels}
    with atomic_file(destination.with_suffix(".json"), overwrite=True) as file:
        file.write(json.dumps(index).encode())


def _check_size(name: str, image: NDArray[np.uint8], others: Sequence[NDArray[np.uint8]]) -> None:
    height, width = image.shape[:2]
    if height != width or (others and others[0].shape != image.shape):
        side = f", not {others[0].shape[0]}x{others[0].shape[0]} as others" if others else ""
        raise InputError(
            f"is {width}x{height}{side}", where=name, remedy="labelled images must be square and of one size"
        )
