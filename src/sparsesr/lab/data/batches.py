"""Batches for the training loop: cut ahead of time by a host thread, or on a device that holds the packed file."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from sparsesr.lab.data.patches import Batch, PatchPlan, PatchSampler, to_unit

T = TypeVar("T")
_AHEAD = 4
_DEVICE_SHARE = 0.3


class Batches(Protocol):
    """Source of the batches of a training loop."""

    def at(self, step: int) -> Batch:
        """LR and HR of that step on the device, float32 in 0..1."""
        ...

    def close(self) -> None:
        """Stop working ahead."""
        ...


class Sampler(Protocol):
    """Cuts the patches of a step: one sampler, or one for each of several scales."""

    def batch_at(self, step: int) -> Batch:
        """The patches of that step, uint8 on the host."""
        ...


class _Ahead(Generic[T]):
    """Prepares what coming steps need in a thread, a few steps before it is asked for."""

    def __init__(self, prepare: Callable[[int], T]) -> None:
        self._prepare = prepare
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="patches")
        self._waiting: dict[int, Future[T]] = {}

    def at(self, step: int) -> T:
        """What that step needs."""
        for ahead in range(step, step + _AHEAD):
            if ahead not in self._waiting:
                self._waiting[ahead] = self._pool.submit(self._prepare, ahead)
        return self._waiting.pop(step).result()

    def close(self) -> None:
        """Stop working ahead."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class HostBatches:
    """Cuts patches out of the mapped file in a thread, a few steps ahead of the loop."""

    def __init__(self, sampler: Sampler, device: torch.device) -> None:
        self.sampler, self.device = sampler, device
        self._ahead = _Ahead(self._prepare)

    def at(self, step: int) -> Batch:
        """LR and HR of that step on the device, float32 in 0..1."""
        lr, hr = self._ahead.at(step)
        return to_unit((lr.to(self.device, non_blocking=True), hr.to(self.device, non_blocking=True)))

    def _prepare(self, step: int) -> Batch:
        lr, hr = self.sampler.batch_at(step)
        return (lr.pin_memory(), hr.pin_memory()) if self.device.type == "cuda" else (lr, hr)

    def close(self) -> None:
        """Stop working ahead."""
        self._ahead.close()


class DeviceBatches:
    """Holds the packed file on the device and cuts, flips and transposes there; patches are bit-identical.

    Only their places are chosen on the host, a few steps ahead of the loop.
    """

    def __init__(self, sampler: PatchSampler, device: torch.device) -> None:
        self.sampler, self.device = sampler, device
        self._plans = _Ahead(sampler.plan)
        pairs = sampler.pairs
        self._bytes = torch.from_numpy(pairs.bytes).to(device)
        self._offsets = [
            torch.tensor([pair.lr_offset for pair in pairs.pairs], device=device),
            torch.tensor([pair.hr_offset for pair in pairs.pairs], device=device),
        ]
        self._widths = torch.tensor([pair.lr_width for pair in pairs.pairs], device=device)

    def at(self, step: int) -> Batch:
        """LR and HR of that step on the device, float32 in 0..1."""
        plan = self._plans.at(step)
        scale = self.sampler.pairs.scale
        return to_unit((self._cut(plan, self._offsets[0], 1), self._cut(plan, self._offsets[1], scale)))

    def _cut(self, plan: PatchPlan, offsets: Tensor, scale: int) -> Tensor:
        """(B, 3, size, size) uint8, gathered by the address of each pixel in the packed file."""
        size = self.sampler.lr_patch_px * scale
        along = torch.arange(size, device=self.device)

        def per_patch(values: object) -> Tensor:
            return torch.as_tensor(values).to(self.device, non_blocking=True).reshape(-1, 1, 1)

        transpose = per_patch(plan.transpose)
        y, x = along.reshape(1, -1, 1), along.reshape(1, 1, -1)
        row, column = torch.where(transpose, x, y), torch.where(transpose, y, x)
        row = torch.where(per_patch(plan.flip_rows), size - 1 - row, row) + per_patch(plan.top) * scale
        column = torch.where(per_patch(plan.flip_columns), size - 1 - column, column)
        column = column + per_patch(plan.left) * scale
        image = per_patch(plan.image)
        pixel = row * (self._widths[image] * scale) + column
        address = (offsets[image] + 3 * pixel)[..., None] + torch.arange(3, device=self.device)
        return self._bytes[address].permute(0, 3, 1, 2)

    def close(self) -> None:
        """Stop choosing ahead."""
        self._plans.close()


def open_batches(sampler: PatchSampler, device: torch.device) -> Batches:
    """Batches cut on the device if it is a GPU with enough free memory for the packed file, else on the host."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        if sampler.pairs.bytes.nbytes < _DEVICE_SHARE * free:
            return DeviceBatches(sampler, device)
    return HostBatches(sampler, device)
