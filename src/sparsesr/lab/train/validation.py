"""Validation during training: PSNR-Y and density with hard masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sparsesr.image.decode import decode
from sparsesr.image.metrics import psnr_y
from sparsesr.lab.data.pack import make_pair
from sparsesr.lab.nn.smsr import SMSR


def load_pairs(folder: Path, scale: int) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """(HR, LR) of every picture, cropped so that the LR has even sides."""
    pairs: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]] = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in (".png", ".webp", ".jpg"):
            continue
        rgb = decode(path).rgb
        height, width = (side // (2 * scale) * 2 * scale for side in rgb.shape[:2])
        pairs.append(make_pair(rgb[:height, :width], scale))
    return pairs


@torch.inference_mode()
def validate(network: SMSR, pairs: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]) -> dict[str, float]:
    """Mean ``psnr_y`` (dB, shave = scale) and mean ``density`` over the pictures."""
    was_training = network.training
    network.eval()
    scores: list[float] = []
    densities: list[float] = []
    for hr, lr in pairs:
        sr = to_uint8(network(to_batch(lr)))
        scores.append(psnr_y(sr, hr, shave=network.config.scale))
        densities.append(float(network.density()))
    network.train(was_training)
    return {"psnr_y": float(np.mean(scores)), "density": float(np.mean(densities))}


def to_batch(image_HW3: NDArray[np.uint8]) -> Tensor:
    """uint8 (H, W, 3) to float (1, 3, H, W) in 0..1."""
    return torch.from_numpy(np.ascontiguousarray(image_HW3)).permute(2, 0, 1)[None].float().div(255)


def to_uint8(image_B3HW: Tensor) -> NDArray[np.uint8]:
    """The first picture of a batch in 0..1, clipped and rounded, as uint8 (H, W, 3)."""
    return image_B3HW[0].clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
