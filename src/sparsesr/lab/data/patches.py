"""Random aligned patches with flips and transposes; they depend only on the seed and the step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsesr.errors import UsageError
from sparsesr.lab.data.pack import PackedPairs

Batch = tuple[Tensor, Tensor]
"""LR (B, 3, p, p) and HR (B, 3, s p, s p), uint8, in channels-last memory."""


@dataclass(frozen=True)
class PatchPlan:
    """Positions and flips of the patches of a step: arrays (B,), in LR pixels."""

    image: NDArray[np.int64]
    top: NDArray[np.int64]
    left: NDArray[np.int64]
    flip_rows: NDArray[np.bool_]
    flip_columns: NDArray[np.bool_]
    transpose: NDArray[np.bool_]


class PatchSampler:
    """Draws batches of patches; an image is drawn with probability proportional to its area.

    With ``candidates`` above 1, that many positions are drawn for each patch and the one with the most detail is taken:
    large parts of photographs are sky or out of focus and teach little.

    ``part`` (i, n): process i of n. Every process plans n batches and takes its own share, so n processes together see
    the same patches as one process with an n times larger batch. Patches have ``margin_px`` more pixels on every side.
    """

    def __init__(
        self,
        pairs: PackedPairs,
        lr_patch_px: int,
        batch: int,
        seed: int,
        part: tuple[int, int] = (0, 1),
        candidates: int = 1,
        *,
        margin_px: int = 0,
    ) -> None:
        self.pairs = pairs
        self.lr_patch_px = lr_patch_px + 2 * margin_px
        self.batch = batch
        self.seed = seed
        self.part = part
        self.candidates = candidates
        self._heights = np.array([pair.lr_height for pair in pairs.pairs])
        self._widths = np.array([pair.lr_width for pair in pairs.pairs])
        smallest = min(self._heights.min(), self._widths.min()) - 2 * margin_px
        if smallest < lr_patch_px:
            raise UsageError(
                f"patches of {lr_patch_px} LR pixels do not fit into the smallest image: "
                f"set lr_patch_px to at most {smallest}, or pack the images again for this size"
            )
        areas = self._heights.astype(np.float64) * self._widths
        self._share = areas / areas.sum()

    def plan(self, step: int) -> PatchPlan:
        """Positions of this process's patches in ``step``."""
        index, parts = self.part
        rng = np.random.default_rng([self.seed, step])
        count = self.batch * parts
        image, top, left = self._positions(rng, count * self.candidates)
        flips = rng.integers(2, size=(3, count)).astype(bool)
        own = slice(index * self.batch, (index + 1) * self.batch)
        image, top, left = (values.reshape(count, self.candidates)[own] for values in (image, top, left))
        chosen = np.arange(self.batch), self._most_detailed(image, top, left)
        return PatchPlan(image[chosen], top[chosen], left[chosen], *(flip[own] for flip in flips))

    def _positions(self, rng: np.random.Generator, count: int) -> tuple[NDArray[np.int64], ...]:
        """Image, top and left of ``count`` patches."""
        image = rng.choice(len(self.pairs), size=count, p=self._share)
        room_rows = self._heights[image] - self.lr_patch_px + 1
        room_columns = self._widths[image] - self.lr_patch_px + 1
        top = (rng.random(count) * room_rows).astype(np.int64)
        left = (rng.random(count) * room_columns).astype(np.int64)
        return image, top, left

    def _most_detailed(
        self, image: NDArray[np.int64], top: NDArray[np.int64], left: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """The best candidate of each patch, (B,); arguments are (B, candidates)."""
        if self.candidates == 1:
            return np.zeros(len(image), np.int64)
        scale, size = self.pairs.scale, self.lr_patch_px * self.pairs.scale
        details = [
            detail(self.pairs.hr(i)[y : y + size, x : x + size])
            for i, y, x in zip(*(v.ravel().tolist() for v in (image, top * scale, left * scale)), strict=True)
        ]
        return np.reshape(details, image.shape).argmax(1)

    def batch_at(self, step: int) -> Batch:
        """The patches of ``step``, cut out of the mapped file."""
        plan, scale = self.plan(step), self.pairs.scale
        lr = [self._cut(plan, index, self.pairs.lr(int(plan.image[index])), 1) for index in range(self.batch)]
        hr = [
            self._cut(plan, index, self.pairs.hr(int(plan.image[index])), scale)
            for index in range(self.batch)
        ]
        return _to_tensor(lr), _to_tensor(hr)

    def _cut(self, plan: PatchPlan, index: int, image: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
        top, left = int(plan.top[index]) * scale, int(plan.left[index]) * scale
        size = self.lr_patch_px * scale
        patch = image[top : top + size, left : left + size]
        patch = patch[::-1] if plan.flip_rows[index] else patch
        patch = patch[:, ::-1] if plan.flip_columns[index] else patch
        return patch.transpose(1, 0, 2) if plan.transpose[index] else patch


def detail(hr_YX3: NDArray[np.uint8]) -> float:
    """How much a patch holds that LR images lose: mean absolute second difference along rows of green, of 255."""
    green = hr_YX3[::2, :, 1].astype(np.int16)
    return float(np.abs(np.diff(green, 2, axis=1)).mean())


def to_unit(batch: Batch) -> Batch:
    """Convert uint8 to float32 in 0..1 on the same device."""
    lr_B3HW, hr_B3HW = batch
    return lr_B3HW.float().div_(255), hr_B3HW.float().div_(255)


def _to_tensor(patches: list[NDArray[np.uint8]]) -> Tensor:
    """NHWC uint8 patches to an NCHW tensor in channels-last memory, with no copy beyond stacking."""
    return torch.from_numpy(np.stack(patches)).permute(0, 3, 1, 2)
