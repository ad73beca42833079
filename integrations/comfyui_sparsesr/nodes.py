"""The node: images in, upscaled images and a mask of the computed pixels out. Runs on the processor."""

from __future__ import annotations

import functools
from typing import Any

import comfy.model_management
import comfy.utils
import numpy as np
import torch

import sparsesr
from sparsesr.errors import CancelledError

_AS_TRAINED = 0.5
_STEPS = 1000
"""Steps of the progress bar per image."""


@functools.lru_cache(maxsize=2)
def _upscaler(model: str) -> sparsesr.Upscaler:
    """The model stays loaded from one run of a workflow to the next."""
    return sparsesr.Upscaler(model)


class SparseUpscale:
    """A node in ComfyUI's first interface, which all its versions load."""

    CATEGORY = "image/upscaling"
    DESCRIPTION = "Upscales photographs on the processor and computes only where there is detail."
    FUNCTION = "upscale"
    RETURN_TYPES = ("IMAGE", "MASK")
    RETURN_NAMES = ("image", "computed")
    OUTPUT_TOOLTIPS = (
        "The upscaled images.",
        "Share of the network's modules that computed each pixel in full, in the size of the input.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """The sockets and widgets; models are listed anew each time."""
        effort = {"default": _AS_TRAINED, "min": 0.0, "max": 1.0, "step": 0.05}
        tooltip = "How many pixels are computed in full; 0.5: as the model was trained."
        return {
            "required": {
                "image": ("IMAGE",),
                "model": ([entry.name for entry in sparsesr.list_models()],),
                "effort": ("FLOAT", {**effort, "tooltip": tooltip}),
            }
        }

    def upscale(self, image: torch.Tensor, model: str, effort: float) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, H, W, C) in 0..1 -> images (B, scale H, scale W, C) in 0..1, and masks (B, H, W)."""
        upscaler, bar = _upscaler(model), comfy.utils.ProgressBar(_STEPS * len(image))
        batch, images, masks = image.detach().to("cpu", torch.float32).clamp(0, 1).numpy(), [], []
        for index, pixels in enumerate(batch):
            result = _upscaled(upscaler, pixels, effort, functools.partial(_show, bar, index))
            images.append(np.clip(result.image, 0, 1))
            masks.append(_computed(result, pixels.shape[:2]))
        device = comfy.model_management.intermediate_device()
        return torch.from_numpy(np.stack(images)).to(device), torch.from_numpy(np.stack(masks)).to(device)


def _upscaled(upscaler: sparsesr.Upscaler, pixels: np.ndarray, effort: float, progress: Any) -> Any:
    chosen = None if effort == _AS_TRAINED else effort
    cancelled = comfy.model_management.processing_interrupted
    try:
        return upscaler(pixels, effort=chosen, progress=progress, cancelled=cancelled)
    except CancelledError:
        comfy.model_management.throw_exception_if_processing_interrupted()
        raise


def _show(bar: Any, index: int, done: int, total: int) -> None:
    bar.update_absolute(index * _STEPS + _STEPS * done // max(total, 1))


def _computed(result: Any, size: tuple[int, int]) -> np.ndarray:
    """(H, W); a network without masks computes every pixel in full."""
    return np.mean(result.masks, axis=0, dtype=np.float32) if result.masks else np.ones(size, np.float32)


NODE_CLASS_MAPPINGS = {"SparseUpscale": SparseUpscale}
NODE_DISPLAY_NAME_MAPPINGS = {"SparseUpscale": "Upscale Image (sparsesr)"}
