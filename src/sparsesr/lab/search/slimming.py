"""Slimmed operations: a narrow operation is the leading part of a wide one's weights.

The supernet runs the very module that the derived network will hold, with slices of its own weights, so the two cannot
differ.
"""

from __future__ import annotations

from functools import cache
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from sparsesr.lab.nn.layers.searched_operations import OPERATIONS


def widest(name: str, c_in: int, c_out: int) -> nn.Module:
    """A candidate at full width, with fresh weights."""
    return OPERATIONS[name](c_in, c_out, True)


@cache
def skeleton(name: str, c_in: int, c_out: int, keeps_shortcut: bool = True) -> nn.Module:
    """A candidate of these widths without weights, for its shapes and its ``forward``."""
    with torch.device("meta"):
        return OPERATIONS[name](c_in, c_out, keeps_shortcut)


def leading(weight: Tensor, shape: torch.Size) -> Tensor:
    """The view of the first entries along every axis."""
    return weight[tuple(slice(size) for size in shape)]


def run_slimmed(name: str, operation: nn.Module, feat_BCHW: Tensor, c_out: int) -> Tensor:
    """Run a candidate at the input's width and ``c_out``: (B, c_in, H, W) -> (B, c_out, H, W)."""
    narrow = skeleton(name, feat_BCHW.shape[1], c_out)
    full = dict(operation.named_parameters())
    weights = {key: leading(full[key], small.shape) for key, small in narrow.named_parameters()}
    return cast(Tensor, functional_call(narrow, weights, (feat_BCHW,)))


@torch.no_grad()
def inherit(narrow: nn.Module, wide: nn.Module) -> None:
    """Copy the leading weights of a wide module into a narrow one of the same structure."""
    full = dict(wide.named_parameters())
    for key, small in narrow.named_parameters():
        small.copy_(leading(full[key], small.shape))
