"""Random aligned patches with flips and transposes. The patches of a step depend on the seed and the step alone."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsesr.lab.data.pack import PackedPairs


class PatchSampler:
    """Draws batches of (LR, HR) patches; each picture is drawn in proportion to its area."""

    def __init__(self, pairs: PackedPairs, lr_patch_px: int, batch: int, seed: int) -> None:
        self.pairs = pairs
        self.lr_patch_px = lr_patch_px
        self.batch = batch
        self.seed = seed
        areas = np.array([pair.lr_height * pair.lr_width for pair in pairs.pairs], dtype=np.float64)
        self._share = areas / areas.sum()

    def batch_at(self, step: int) -> tuple[Tensor, Tensor]:
        """The batch of that step: LR (B, 3, p, p) and HR (B, 3, s p, s p), float32 in 0..1."""
        rng = np.random.default_rng([self.seed, step])
        chosen = rng.choice(len(self.pairs), size=self.batch, p=self._share)
        patches = [self._patch(rng, int(index)) for index in chosen]
        return _to_tensor([lr for lr, _ in patches]), _to_tensor([hr for _, hr in patches])

    def _patch(self, rng: np.random.Generator, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        lr, hr, size, scale = self.pairs.lr(index), self.pairs.hr(index), self.lr_patch_px, self.pairs.scale
        top = int(rng.integers(lr.shape[0] - size + 1))
        left = int(rng.integers(lr.shape[1] - size + 1))
        lr = lr[top : top + size, left : left + size]
        hr = hr[top * scale : (top + size) * scale, left * scale : (left + size) * scale]
        flip_rows, flip_columns, transpose = (bool(bit) for bit in rng.integers(2, size=3))
        return _augment(lr, flip_rows, flip_columns, transpose), _augment(
            hr, flip_rows, flip_columns, transpose
        )


def _augment(
    patch: NDArray[np.uint8], flip_rows: bool, flip_columns: bool, transpose: bool
) -> NDArray[np.uint8]:
    patch = patch[::-1] if flip_rows else patch
    patch = patch[:, ::-1] if flip_columns else patch
    return patch.transpose(1, 0, 2) if transpose else patch


def _to_tensor(patches: list[NDArray[np.uint8]]) -> Tensor:
    """NHWC bytes to an NCHW tensor in channels-last memory: no copy beyond the conversion."""
    batch_BHWC = torch.from_numpy(np.stack(patches))
    return batch_BHWC.permute(0, 3, 1, 2).float().div_(255)
