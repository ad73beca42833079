"""Batches of labelled images, shifted and mirrored at random; they depend only on the seed and the step.

Shape suffixes: B batch, H and W rows and columns.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsesr.lab.data.labelled_images import LabelledImages
from sparsesr.lab.data.patches import Batch

_ORDER, _AUGMENTATION = 1, 2
"""Separate random streams with the same seed."""


class LabelledBatches:
    """Goes through all images in a new order in each epoch; the few that fill no batch are left out.

    ``part`` (i, n): process i of n. Together, n processes see the batches of one with n times the batch.
    """

    def __init__(
        self,
        images: LabelledImages,
        batch: int,
        seed: int,
        part: tuple[int, int] = (0, 1),
        padding_px: int = 0,
        flips: bool = False,
        device: torch.device | None = None,
        *,
        channels_last: bool = True,
    ) -> None:
        self.images, self.batch, self.seed, self.part = images, min(batch, len(images) // part[1]), seed, part
        self.padding_px, self.flips = padding_px, flips
        self._layout = torch.channels_last if channels_last else torch.contiguous_format
        self._device = device or torch.device("cpu")
        self._epoch: tuple[int, NDArray[np.int64]] | None = None
        #: Steps of an epoch.
        self.steps = len(images) // (self.batch * part[1])

    def at(self, step: int) -> Batch:
        """Images (B, 3, H, W), float32 in 0..1, and classes (B,) of ``step``, counted from 1."""
        index, parts = self.part
        epoch, place = divmod(step - 1, self.steps)
        start = (place * parts + index) * self.batch
        pixels, labels_B = self.images.batch(self._order(epoch)[start : start + self.batch])
        random = np.random.default_rng([self.seed, step, index, _AUGMENTATION])
        pixels = shifted(pixels, self.padding_px, random)
        pixels = mirrored(pixels, random) if self.flips else pixels
        image_B3HW = images_B3HW(pixels).contiguous(memory_format=self._layout)
        return image_B3HW.to(self._device), labels_B.to(self._device)

    def _order(self, epoch: int) -> NDArray[np.int64]:
        if self._epoch is None or self._epoch[0] != epoch:
            random = np.random.default_rng([self.seed, epoch, _ORDER])
            self._epoch = epoch, random.permutation(len(self.images))
        return self._epoch[1]

    def close(self) -> None:
        """Nothing runs ahead."""


def in_order(images: LabelledImages, size: int) -> Iterator[Batch]:
    """All images once, as they are: (B, 3, H, W) float32 in 0..1 and classes (B,), B at most ``size``."""
    for start in range(0, len(images), size):
        pixels, labels_B = images.batch(slice(start, start + size))
        yield images_B3HW(pixels), labels_B


def images_B3HW(pixels: NDArray[np.uint8]) -> Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, H, W) float32 in 0..1, channels last in memory."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float().div_(255)


def shifted(pixels: NDArray[np.uint8], padding_px: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """Images (B, H, W, 3) cropped at random places from ones with a black border."""
    if padding_px == 0:
        return pixels
    count, height, width = pixels.shape[:3]
    padded = np.pad(pixels, ((0, 0), (padding_px,) * 2, (padding_px,) * 2, (0, 0)))
    top, left = random.integers(2 * padding_px + 1, size=(2, count))
    rows = (top[:, None] + np.arange(height))[:, :, None]
    columns = (left[:, None] + np.arange(width))[:, None, :]
    return padded[np.arange(count)[:, None, None], rows, columns]


def mirrored(pixels: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Images (B, H, W, 3) of which about half are mirrored left to right."""
    chosen = random.integers(2, size=len(pixels)).astype(bool)
    return np.where(chosen[:, None, None, None], pixels[:, :, ::-1], pixels)
