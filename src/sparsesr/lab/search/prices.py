"""Prices of the parts of a network: what a search is led by. This file counts; latency_table.py measures."""

from __future__ import annotations

from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from sparsesr.lab.nn.genotype import CELL, FAMILIES, Genotype
from sparsesr.lab.nn.layers.searched_frames import frame_of
from sparsesr.lab.nn.layers.searched_operations import up_block
from sparsesr.lab.search.slimming import skeleton

COUNTED = ("macs", "parameters")


class Prices(Protocol):
    """Additive prices. A level says how often the size was doubled before the part (0 for families that do not)."""

    def operation(self, name: str, c_in: int, c_out: int, level: int) -> float:
        """A candidate operation in a cell."""
        ...

    def cell(self, level: int) -> float:
        """What a cell costs beside its operations."""
        ...

    def up(self, level: int) -> float:
        """An up block that starts at this level."""
        ...

    def frame(self) -> float:
        """Everything around the body."""
        ...


class Counted:
    """Multiply-adds per LR pixel, or parameters."""

    def __init__(
        self, unit: str, family: str, channels: int, scale: int, keeps_shortcuts: bool = True
    ) -> None:
        self._counts_macs = unit == "macs"
        self._enlarges = FAMILIES[family].ups_enlarge
        self._keeps_shortcuts = keeps_shortcuts
        with torch.device("meta"):
            self._up = up_block(channels, self._enlarges)
        self._frame = frame_of(family, channels, scale)
        self._body_scale = scale if self._enlarges else 1

    def operation(self, name: str, c_in: int, c_out: int, level: int) -> float:
        """A candidate operation in a cell."""
        return self._price(skeleton(name, c_in, c_out, self._keeps_shortcuts), level)

    def cell(self, level: int) -> float:
        """Sums are not counted."""
        return 0.0

    def up(self, level: int) -> float:
        """An up block; its convolution runs at the size that it reaches."""
        return self._price(self._up, level + self._enlarges)

    def frame(self) -> float:
        """Head and tail."""
        if not self._counts_macs:
            return self._price(self._frame, 0)
        size = 8
        return _traced_macs(self._frame, torch.zeros(1, 3, size, size), self._body_scale) / size**2

    def _price(self, module: nn.Module, level: int) -> float:
        """With stride 1, every entry of a convolution's weight is one multiply-add per output pixel."""
        if not self._counts_macs:
            return sum(weight.numel() for weight in module.parameters())
        return 4**level * sum(weight.numel() for weight in module.parameters() if weight.dim() == 4)


def price_of(genotype: Genotype, prices: Prices) -> float:
    """Price of a whole network."""
    cells, total = iter(genotype.cells), prices.frame()
    for kind, level in zip(genotype.path, genotype.levels, strict=True):
        if kind != CELL:
            total += prices.up(level)
            continue
        total += prices.cell(level)
        for name, c_in, c_out in next(cells).shaped(genotype.channels):
            total += prices.operation(name, c_in, c_out, level)
    return total


@torch.no_grad()
def _traced_macs(frame: nn.Module, image_B3HW: Tensor, body_scale: int) -> int:
    """Multiply-adds of a frame whose body only enlarges; frozen convolutions (colour shifts) are folded and free."""
    macs = 0

    def count(module: nn.Module, inputs: object, output: Tensor) -> None:
        nonlocal macs
        weight = cast(Tensor, module.weight)
        if weight.requires_grad:
            macs += weight.numel() * output.shape[2] * output.shape[3]

    handles = [part.register_forward_hook(count) for part in frame.modules() if isinstance(part, nn.Conv2d)]
    frame(image_B3HW, lambda feat_BCHW: functional.interpolate(feat_BCHW, scale_factor=float(body_scale)))
    for handle in handles:
        handle.remove()
    return macs
