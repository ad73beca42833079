"""One mask for all modules of a trained SMSR against a mask of each module's own, at equal density.

    python benchmarks/shared_masks.py NETWORK --data FOLDER [--weights MODEL_OR_CHECKPOINT] [--threads 1]

FOLDER holds HR images. The shared mask is that of the first module, so it is known before any other runs. Thresholds
are the same for all images and such that every module keeps the wanted share of all pixels. Prints a Markdown table of
the mean PSNR-Y in dB (torch, fp32).

Shape suffixes: B batch, H and W rows and columns of the LR image, 3 colours, 1 a broadcast axis.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from trained_network import open_network

from sparsesr.image.metrics import psnr_y
from sparsesr.lab.export.torch_run import upscale_eight_bit
from sparsesr.lab.nn.layers.spatial_mask import SpatialMaskUnit
from sparsesr.lab.nn.smsr import SMSR
from sparsesr.measure.protocol import Pair

KEPT = (0.3, 0.45, 0.6)


def main() -> None:
    network, pairs = open_network(__doc__ or "", example="smsr_x2")
    if not isinstance(network, SMSR):
        raise SystemExit("error: this network is no SMSR")
    _report(network, pairs)


def _report(network: SMSR, pairs: list[Pair]) -> None:
    scale = network.config.scale
    first, *others = network.mask_units()

    def upscale(pair: Pair) -> npt.NDArray[np.uint8]:
        return upscale_eight_bit(network, pair.lr, scale, network.size_multiple)

    def quality() -> float:
        found = [psnr_y(upscale(pair), pair.hr, scale) for pair in pairs]
        return sum(found) / len(found)

    def keep(unit: SpatialMaskUnit, share: float) -> None:
        """Choose the threshold of a module; those before it must have theirs."""
        gaps: list[Tensor] = []
        for pair in pairs:
            upscale(pair)
            if unit.last_gap_B1HW is not None:
                gaps.append(unit.last_gap_B1HW.flatten())
        values = torch.cat(gaps)
        unit.shift_gap(-values.kthvalue(max(1, round((1 - share) * len(values)))).values)

    own = [unit.predict for unit in others]
    network.open_masks()
    print(f"dense: {quality():.3f} dB\n\n| kept | own masks | shared |\n|---|---|---|", flush=True)
    network.open_masks(False)
    for share in KEPT:
        for unit in network.mask_units():
            keep(unit, share)
        separate = quality()
        _set(others, [lambda _: _mask_B1HW(first)] * len(others))
        print(f"| {share} | {separate:.3f} | {quality():.3f} |", flush=True)
        _set(others, own)


def _mask_B1HW(unit: SpatialMaskUnit) -> Tensor:
    assert unit.last_mask_B1HW is not None
    return unit.last_mask_B1HW


def _set(units: list[SpatialMaskUnit], predict: list[Callable[[Tensor], Tensor]]) -> None:
    for unit, function in zip(units, predict, strict=True):
        unit.predict = function  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
