"""Tiny random SMSR models whose results resemble the input, so that they pass the plausibility check."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

import graphs
from sparsesr.modelfile.spec import ModelFile


def tiny(scale: int = 2, channels: int = 16, modules: int = 2, detail: float = 0.05) -> ModelFile:
    """``detail`` scales the network's contribution on top of bicubic."""
    model = graphs.smsr(channels, modules, scale=scale)
    tensors = dict(model.tensors)
    tensors["tail.0.weight"] = tensors["tail.0.weight"] * np.float32(detail)
    tensors["tail.0.bias"] = np.repeat(np.float32(graphs.MEAN), scale**2)
    return replace(model, tensors=tensors)


def photo(height: int, width: int, dtype: str = "uint8", channels: int = 3, seed: int = 0) -> np.ndarray:
    """Smooth colour with some noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = [0.5 + 0.35 * np.sin(x / (7 + c) + c) * np.cos(y / (9 + c)) for c in range(channels)]
    values = np.clip(np.stack(planes, -1) + 0.03 * rng.standard_normal((height, width, channels)), 0, 1)
    if dtype == "float32":
        return values.astype(np.float32)
    return np.round(values * np.iinfo(dtype).max).astype(dtype)


def size_of(file: Path | str | io.BytesIO) -> tuple[int, int]:
    """Width and height of an encoded image, read independently by Pillow."""
    with Image.open(file) as image:
        return image.size
