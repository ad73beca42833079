"""Random aligned patches with flips and transposes. The patches of a step depend on the seed and the step alone."""

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
    """Where the patches of a step are; arrays (B,), in LR pixels."""

    picture: NDArray[np.int64]
    top: NDArray[np.int64]
    left: NDArray[np.int64]
    flip_rows: NDArray[np.bool_]
    flip_columns: NDArray[np.bool_]
    transpose: NDArray[np.bool_]


class PatchSampler:
    """Draws batches of patches; each picture is drawn in proportion to its area.

    ``part`` (i, n): this is the i-th of n processes. All plan n batches' worth of patches and take their own, so n
    processes see together what one would see with an n times larger batch.
    """

    def __init__(
        self, pairs: PackedPairs, lr_patch_px: int, batch: int, seed: int, part: tuple[int, int] = (0, 1)
    ) -> None:
        self.pairs = pairs
        self.lr_patch_px = lr_patch_px
        self.batch = batch
        self.seed = seed
        self.part = part
        self._heights = np.array([pair.lr_height for pair in pairs.pairs])
        self._widths = np.array([pair.lr_width for pair in pairs.pairs])
        smallest = min(self._heights.min(), self._widths.min())
        if smallest < lr_patch_px:
            raise UsageError(
                f"patches of {lr_patch_px} LR pixels do not fit into pictures with sides down to {smallest}: "
                f"set lr_patch_px to at most {smallest}, or pack the pictures anew for this size"
            )
        areas = self._heights.astype(np.float64) * self._widths
        self._share = areas / areas.sum()

    def plan(self, step: int) -> PatchPlan:
        """Where this process' patches of that step are."""
        index, parts = self.part
        rng = np.random.default_rng([self.seed, step])
        count = self.batch * parts
        picture = rng.choice(len(self.pairs), size=count, p=self._share)
        room_rows = self._heights[picture] - self.lr_patch_px + 1
        room_columns = self._widths[picture] - self.lr_patch_px + 1
        top = (rng.random(count) * room_rows).astype(np.int64)
        left = (rng.random(count) * room_columns).astype(np.int64)
        flips = rng.integers(2, size=(3, count)).astype(bool)
        own = slice(index * self.batch, (index + 1) * self.batch)
        return PatchPlan(picture[own], top[own], left[own], *(flip[own] for flip in flips))

    def batch_at(self, step: int) -> Batch:
        """The patches of that step, cut out of the mapped file."""
        plan, scale = self.plan(step), self.pairs.scale
        lr = [
            self._cut(plan, index, self.pairs.lr(int(plan.picture[index])), 1) for index in range(self.batch)
        ]
        hr = [
            self._cut(plan, index, self.pairs.hr(int(plan.picture[index])), scale)
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


def to_unit(batch: Batch) -> Batch:
    """Bytes to float32 in 0..1, on whatever device they are."""
    lr_B3HW, hr_B3HW = batch
    return lr_B3HW.float().div_(255), hr_B3HW.float().div_(255)


def _to_tensor(patches: list[NDArray[np.uint8]]) -> Tensor:
    """NHWC bytes to an NCHW tensor in channels-last memory: no copy beyond stacking."""
    return torch.from_numpy(np.stack(patches)).permute(0, 3, 1, 2)
