"""Tensors as the native training kernels see them, without copies where that is possible.

Shape suffixes: B batch, C channels, H and W rows and columns, 1 a broadcast axis.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsesr import _native

_NAMES = {torch.bfloat16: "bf16", torch.float32: "f32"}
"""Of types, as the native module calls them."""


def native_dtype(feat_BCHW: Tensor) -> torch.dtype | None:
    """Type in which native kernels train chains of convolutions on these features; None: there are none for them."""
    if feat_BCHW.device.type != "cpu" or feat_BCHW.numel() == 0:
        return None
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else feat_BCHW.dtype
    name = _NAMES.get(dtype)
    return dtype if name is not None and _native.can_train_chain(feat_BCHW.shape[1], name) else None


def is_none_or_hard(mask_B1HW: Tensor | None) -> bool:
    """True without a mask, or with one of 0 and 1 that needs no gradient."""
    if mask_B1HW is None:
        return True
    return not mask_B1HW.requires_grad and bool(((mask_B1HW == 0) | (mask_B1HW == 1)).all())


def active_pixels(mask_B1HW: Tensor | None) -> NDArray[np.uint8] | None:
    """(B, H, W), 0 at inactive pixels."""
    return None if mask_B1HW is None else (mask_B1HW[:, 0] > 0).to(torch.uint8).contiguous().numpy()


def empty(shape: torch.Size, dtype: torch.dtype) -> Tensor:
    """A new tensor, channels last: the order that the kernels write and in which weights are usually trained."""
    order = torch.channels_last if len(shape) == 4 else torch.contiguous_format
    return torch.empty(shape, dtype=dtype, memory_format=order)


def channels_last(weight: Tensor, dtype: torch.dtype) -> NDArray[Any]:
    """Values in the order (0, 2, 3, 1); copied only if they are not stored that way."""
    return weight.detach().to(dtype).permute(0, 2, 3, 1).contiguous().numpy()


def values(feat_BCHW: Tensor, dtype: torch.dtype) -> NDArray[Any]:
    """(B, H, W, C), copied only if not stored that way; bf16 as uint16, since numpy has no bf16."""
    feat_BHWC = feat_BCHW.detach().to(dtype).permute(0, 2, 3, 1).contiguous()
    return (feat_BHWC.view(torch.uint16) if dtype is torch.bfloat16 else feat_BHWC).numpy()
