"""Degradation model for photographs: downscaling, optional blur and noise, and one or two rounds of compression.

A third of the patches are only downscaled by bicubic, as in benchmarks, so that quality on clean images drops little.
The degradation of a patch depends only on the seed, the step and its index in the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyvips
import torch

from sparsesr.image.vips import image_over
from sparsesr.lab.data.pack import PackedPairs
from sparsesr.lab.data.patches import Batch, PatchSampler
from sparsesr.lab.data.shrinking import KERNELS, blur_matrix, shrinking_matrix

Pixels = npt.NDArray[np.uint8]

_BORDER_PX = 3
"""LR pixels that the repeated edge changes by more than one of 255, with every kernel and blur."""
_BLOCK_PX = 16
"""JPEG block of 4:2:0 chroma."""
MARGIN_PX = _BORDER_PX + _BLOCK_PX // 2
"""LR pixels around a patch that are degraded with it: room to cut it at any place in a block, clear of the border."""
_KEY = 11
"""Separates this random stream from others with the same seed and step."""
_CLEAN, _BLURRED, _NOISY, _JPEG, _WEBP, _TWICE = 1 / 3, 0.3, 0.25, 0.75, 0.1, 0.25
_BLUR_SIGMA_PX = (0.3, 1.0)
_NOISE_SIGMA = (0.5, 5.0)
_QUALITY = (40, 98)


class DegradedPatches:
    """Cuts HR patches with a margin and degrades them to LR patches."""

    def __init__(
        self,
        pairs: PackedPairs,
        lr_patch_px: int,
        batch: int,
        seed: int,
        part: tuple[int, int] = (0, 1),
        candidates: int = 1,
    ) -> None:
        self._patches = PatchSampler(pairs, lr_patch_px, batch, seed, part, candidates, margin_px=MARGIN_PX)
        self._size_px, self._scale, self._seed, self._part = lr_patch_px, pairs.scale, seed, part

    def batch_at(self, step: int) -> Batch:
        """The patches of that step."""
        _, hr_B3YX = self._patches.batch_at(step)
        first = self._part[0] * len(hr_B3YX)
        pairs = [
            self._pair(patch, np.random.default_rng([self._seed, step, first + index, _KEY]))
            for index, patch in enumerate(hr_B3YX.permute(0, 2, 3, 1).numpy())
        ]
        lr, hr = (np.stack(patches) for patches in zip(*pairs, strict=True))
        return torch.from_numpy(lr).permute(0, 3, 1, 2), torch.from_numpy(hr).permute(0, 3, 1, 2)

    def _pair(self, hr: Pixels, random: np.random.Generator) -> tuple[Pixels, Pixels]:
        """LR and HR without the margin, cut so that patches begin at every place in a JPEG block equally often."""
        lr = degraded(hr, self._scale, random)
        top, left = (_BORDER_PX + int(offset) for offset in random.integers(_BLOCK_PX, size=2))
        size, scale = self._size_px, self._scale
        inside = hr[top * scale : (top + size) * scale, left * scale : (left + size) * scale]
        return lr[top : top + size, left : left + size], inside


def degraded(hr: Pixels, scale: int, random: np.random.Generator) -> Pixels:
    """LR image (h, w, 3) from an HR image (scale h, scale w, 3), both 8 bits."""
    if random.random() < _CLEAN:
        return _shrunk(hr, scale, "bicubic", 0.0)
    kernel = KERNELS[random.integers(len(KERNELS))]
    sigma_px = random.uniform(*_BLUR_SIGMA_PX) * scale / 2 if random.random() < _BLURRED else 0.0
    lr = _shrunk(hr, scale, kernel, sigma_px)
    if random.random() < _NOISY:
        noise = random.standard_normal(lr.shape, np.float32) * random.uniform(*_NOISE_SIGMA)
        lr = _rounded(lr + noise)
    times = 1 + int(random.random() < _TWICE)
    for _ in range(times):
        lr = _compression(random)(lr)
    return lr


def _shrunk(hr: Pixels, scale: int, kernel: str, sigma_px: float) -> Pixels:
    rows, columns = (shrinking_matrix(kernel, size, scale) for size in hr.shape[:2])
    if sigma_px:
        rows, columns = (
            m @ blur_matrix(sigma_px, size) for m, size in ((rows, hr.shape[0]), (columns, hr.shape[1]))
        )
    tall = np.tensordot(rows, hr.astype(np.float32), axes=(1, 0))
    return _rounded(np.tensordot(tall, columns, axes=(1, 1)).transpose(0, 2, 1))


def _rounded(values: npt.NDArray[Any]) -> Pixels:
    return np.floor(np.clip(values, 0, 255) + 0.5).astype(np.uint8)


def _compression(random: np.random.Generator) -> Callable[[Pixels], Pixels]:
    """JPEG, WebP, or none."""
    draw, quality = random.random(), int(random.integers(_QUALITY[0], _QUALITY[1] + 1))
    is_subsampled = bool(random.random() < 0.6)
    if draw < _JPEG:
        return lambda image: jpeg(image, quality, is_subsampled=is_subsampled)
    if draw < _JPEG + _WEBP:
        return lambda image: _coded(image, ".webp", Q=quality)
    return lambda image: image


def jpeg(image: Pixels, quality: int, *, is_subsampled: bool = True) -> Pixels:
    """An image (h, w, 3) through JPEG, with 4:2:0 or 4:4:4 chroma."""
    return _coded(image, ".jpg", Q=quality, subsample_mode="on" if is_subsampled else "off")


def _coded(image: Pixels, suffix: str, **options: Any) -> Pixels:
    data = image_over(image).write_to_buffer(suffix, **options)
    return np.ascontiguousarray(pyvips.Image.new_from_buffer(data, "").numpy())
