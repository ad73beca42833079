"""Which pixels masks should keep: a trained Skim network by its own ranking of pixels, and by rankings that see HR.

    python benchmarks/mask_rankings.py NETWORK --data FOLDER [--weights MODEL_OR_CHECKPOINT] [--threads 1]

FOLDER holds HR images. All images share one threshold per ranking, which keeps the wanted share of all their pixels.
Prints a Markdown table of the mean PSNR-Y in dB (torch, fp32).

Shape suffixes: B batch, H and W rows and columns of the LR image, Y and X those of the HR image, 3 colours, 1 a
broadcast axis.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional
from trained_network import open_network

from sparsesr.image.metrics import psnr_y
from sparsesr.lab.export.torch_run import upscale_eight_bit
from sparsesr.lab.nn.layers.spatial_mask import SpatialMaskUnit
from sparsesr.lab.nn.masked_network import OneMaskNetwork
from sparsesr.measure.protocol import Pair

KEPT = (0.3, 0.45, 0.6)
LUMA = (0.257, 0.504, 0.098)
"""Of ITU-R BT.601, as PSNR-Y has it, on 0..1."""


class GivenMask(torch.nn.Module):
    """Stands in for the unit of a network: the mask is given, whatever the image."""

    def __init__(self) -> None:
        super().__init__()
        self.mask_B1HW: Tensor | None = None

    def forward(self, image_B3HW: Tensor) -> Tensor | None:
        """The given mask; None: all pixels are active."""
        return self.mask_B1HW


def main() -> None:
    network, pairs = open_network(__doc__ or "", example="skim_fast_x2")
    if not isinstance(network, OneMaskNetwork) or network.mask is None:
        raise SystemExit("error: this network has no single mask")
    _report(network, pairs)


def _report(network: OneMaskNetwork, pairs: list[Pair]) -> None:
    unit = network.mask
    given = network.mask = GivenMask()
    scale = network.config.scale
    rankings: dict[str, list[Tensor]] = {}
    for pair in pairs:
        for name, ranking_B1HW in _rankings(network, unit, _tensor(pair.lr), _tensor(pair.hr)).items():
            rankings.setdefault(name, []).append(ranking_B1HW)

    def quality(masks: list[Tensor | None]) -> float:
        found: list[float] = []
        for pair, given.mask_B1HW in zip(pairs, masks, strict=True):
            found.append(
                psnr_y(upscale_eight_bit(network, pair.lr, scale, network.size_multiple), pair.hr, scale)
            )
        return sum(found) / len(found)

    print(f"dense: {quality([None] * len(pairs)):.3f} dB")
    print(f"| kept | {' | '.join(rankings)} |\n|---{'|---' * len(rankings)}|")
    for kept in KEPT:
        cells = [f"{quality(_masks(ranking, kept)):.3f}" for ranking in rankings.values()]
        print(f"| {kept} | {' | '.join(cells)} |", flush=True)


def _rankings(
    network: OneMaskNetwork, unit: SpatialMaskUnit, lr_B3HW: Tensor, hr_B3YX: Tensor
) -> dict[str, Tensor]:
    """Larger values are to be kept first: the mask head's logits; of each pixel and its neighbours, the squared error
    of interpolation, what the dense network changes, and what it gains."""
    unit.predict(network.centred(lr_B3HW))
    bicubic, dense, hr = (
        _luma_B1YX(image) for image in (network.upsample(lr_B3HW), network(lr_B3HW), hr_B3YX)
    )
    error, left, change = ((a - b).square() for a, b in ((bicubic, hr), (dense, hr), (dense, bicubic)))
    maps = {"error of interpolation": error, "change": change, "gain": error - left}
    around = {name: _around_B1HW(map_B1YX, lr_B3HW.shape[3]) for name, map_B1YX in maps.items()}
    return {"mask head": unit.last_gap_B1HW, **around}


def _luma_B1YX(image_B3YX: Tensor) -> Tensor:
    return (image_B3YX * image_B3YX.new_tensor(LUMA).reshape(1, 3, 1, 1)).sum(1, keepdim=True)


def _around_B1HW(map_B1YX: Tensor, width: int) -> Tensor:
    """Means of the 3x3 LR pixels around each."""
    map_B1HW = functional.avg_pool2d(map_B1YX, map_B1YX.shape[3] // width)
    return functional.avg_pool2d(map_B1HW, 3, 1, 1, count_include_pad=False)


def _masks(ranking: list[Tensor], kept: float) -> list[Tensor | None]:
    values = torch.cat([ranking_B1HW.flatten() for ranking_B1HW in ranking])
    threshold = values.kthvalue(max(1, round((1 - kept) * len(values)))).values
    return [(ranking_B1HW > threshold).float() for ranking_B1HW in ranking]


def _tensor(image: npt.NDArray[np.uint8]) -> Tensor:
    """(1, 3, H, W) on 0..1 from an 8-bit image."""
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255


if __name__ == "__main__":
    main()
