"""Runs a network in torch as the runtime runs its model file: padded to the size multiple, cropped back."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from sparsesr.image.samples import quantised
from sparsesr.lab.export.graph_module import GraphModule
from sparsesr.lab.nn.layers.spatial_mask import SpatialMaskUnit
from sparsesr.modelfile.operations.registry import mask_names
from sparsesr.modelfile.padding import Padding

Masks = list[npt.NDArray[np.bool_]]
"""One (H, W) array per sparse mask module, in order."""


def run_torch(
    module: nn.Module, image: npt.NDArray[Any], scale: int, multiple: int
) -> npt.NDArray[np.float32]:
    """Upscale one image.

    Args:
        module: maps (1, 3, H, W) in 0..1 to (1, 3, scale H, scale W).
        image: (H, W, 3), float 0..1 or uint8.
        scale: upscaling factor.
        multiple: sizes are padded to multiples of this by replicating the border.

    Returns:
        (scale H, scale W, 3) float32, not clipped.
    """
    height, width = image.shape[:2]
    values = image.astype(np.float32) / (255 if image.dtype == np.uint8 else 1)
    device = next((tensor.device for tensor in [*module.parameters(), *module.buffers()]), "cpu")
    image_13HW = torch.from_numpy(values).to(device).permute(2, 0, 1)[None]
    rows, columns = Padding(multiple, getattr(module, "least_size_px", 1)).size(height, width)
    padding = (0, columns - width, 0, rows - height)
    with torch.inference_mode():
        upscaled_13HW = module(functional.pad(image_13HW, padding, mode="replicate"))
    cropped = upscaled_13HW[0, :, : height * scale, : width * scale]
    return cropped.permute(1, 2, 0).cpu().numpy()


def upscale_eight_bit(
    module: nn.Module, image: npt.NDArray[Any], scale: int, multiple: int
) -> npt.NDArray[np.uint8]:
    """:func:`run_torch`, clipped and rounded to 8 bits."""
    upscaled = run_torch(module, image, scale, multiple)
    return quantised(upscaled, np.uint8)


def masks_of(module: nn.Module) -> Masks:
    """Spatial masks of the last run, including padding."""
    if isinstance(module, GraphModule):
        masks = list(module.last_masks.values())
    else:
        masks = [part.last_mask_B1HW for part in module.modules() if isinstance(part, SpatialMaskUnit)]
    return [mask[0, 0].bool().cpu().numpy() for mask in masks if mask is not None]


@contextmanager
def forced_masks(module: nn.Module, masks: Sequence[npt.NDArray[np.bool_]]) -> Generator[None]:
    """Replace the predicted masks by these, (H, W) of the padded image each."""
    forced = [torch.from_numpy(mask.astype(np.float32))[None, None] for mask in masks]
    if isinstance(module, GraphModule):
        names = mask_names(module.model.graph)
        module.forced_masks = dict(zip(names, forced, strict=True))
        try:
            yield
        finally:
            module.forced_masks = {}
        return
    parts = [part for part in module.modules() if isinstance(part, SpatialMaskUnit)]
    hooks = [
        part.spa_mask.register_forward_hook(_logits_of(mask))
        for part, mask in zip(parts, forced, strict=True)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _logits_of(mask_11HW: Tensor) -> Any:
    """A forward hook that replaces the mask head's logits by logits of this mask."""

    def replace(module: nn.Module, inputs: Any, logits_12HW: Tensor) -> Tensor:
        mask = mask_11HW.to(logits_12HW)
        return torch.cat([1 - mask, mask], dim=1)

    return replace
