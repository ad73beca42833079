"""Shared by the studies of degraded photographs: means of all methods on a set, and the table for a document."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from sparsesr.image.metrics import psnr_y
from sparsesr.measure.method import Method
from sparsesr.measure.protocol import Pair, Pixels

DENOISED = "denoised"
Cells = dict[str, dict[str, float]]
"""PSNR-Y in dB and density of each method."""


def measured(
    pairs: list[Pair], methods: dict[str, Method], first: str, denoisers: Iterable[Callable[[Pixels], Pixels]]
) -> Cells:
    """Means over a set, and those of method ``first`` after the best of some denoisers."""
    cells = {name: _mean(method, pairs) for name, method in methods.items()}
    means = (
        _mean(methods[first], [Pair(denoise(pair.lr), pair.hr) for pair in pairs]) for denoise in denoisers
    )
    cells[DENOISED] = max(means, key=lambda cell: cell["psnr_y"])
    return cells


def _mean(method: Method, pairs: list[Pair]) -> dict[str, float]:
    done = [(method.upscale(pair.lr), pair.hr) for pair in pairs]
    scale = method.model.facts.scale
    return {
        "psnr_y": float(np.mean([psnr_y(each.image, hr, scale) for each, hr in done])),
        "density": float(np.mean([each.density for each, _ in done])),
    }


def rounded(image: np.ndarray) -> Pixels:
    """8-bit pixels of an image in 0..1."""
    return np.rint(image * 255).clip(0, 255).astype(np.uint8)


def table(results: dict[str, Cells]) -> list[str]:
    """Lines of the table: a row for each method, PSNR-Y in dB."""
    lines = ["| | " + " | ".join(results) + " |", "|---" * (1 + len(results)) + "|"]
    for name in next(iter(results.values())):
        cells = (f"{column[name]['psnr_y']:.2f}" for column in results.values())
        shown = name if name in ("bicubic", DENOISED) else f"`{name}`"
        lines.append(f"| {shown} | " + " | ".join(cells) + " |")
    return lines
