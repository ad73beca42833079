"""Validation during training: PSNR-Y and density with hard masks, split among the processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from sparsesr.image.metrics import psnr_y
from sparsesr.lab.export.torch_run import upscale_eight_bit
from sparsesr.lab.nn.masked_network import with_masks
from sparsesr.lab.train.dead_channels import HiddenChannels
from sparsesr.measure.protocol import Pair, find_sets, load_pairs


class PairValidation:
    """The image pairs of a folder, read once; ``sigma`` adds noise to LR (standard deviation of 255)."""

    def __init__(
        self,
        folder: str,
        scale: int,
        rank: int = 0,
        processes: int = 1,
        sigma: float = 0.0,
        size_multiple: int = 1,
    ) -> None:
        images = find_sets(Path(folder), scale)[0] if folder else None
        pairs = load_pairs(images, scale, size_multiple, sigma) if images else iter(())
        self.scale, self.size_multiple = scale, size_multiple
        self.pairs: list[Pair] = [pair for index, (_, pair) in enumerate(pairs) if index % processes == rank]

    def measure(
        self, network: nn.Module, sum_over_processes: Callable[[Tensor], Tensor] = lambda value: value
    ) -> dict[str, float]:
        """Mean ``psnr_y`` (dB, shave = scale) and what else can be told of the network.

        ``kept``: mean density of hard masks. ``dead``: share of the hidden channels of residual blocks that are zero in
        all images.
        """
        was_training, masked, hidden = network.training, with_masks(network), HiddenChannels(network)
        network.eval()
        if hasattr(network, "active_scale"):
            network.active_scale = self.scale  # type: ignore[assignment]
        totals = torch.zeros(3, dtype=torch.float64)
        with hidden.watched():
            for pair in self.pairs:
                upscaled = upscale_eight_bit(network, pair.lr, self.scale, self.size_multiple)
                kept = float(masked.density()) if masked else 1.0
                totals += torch.tensor(
                    [psnr_y(upscaled, pair.hr, self.scale), kept, 1.0], dtype=torch.float64
                )
        network.train(was_training)
        sums = sum_over_processes(torch.cat([totals, hidden.alive()]))
        psnr, kept, count = sums[:3].tolist()
        if not count:
            return {}
        found = {"psnr_y": psnr / count}
        if masked:
            found["kept"] = kept / count
        if hidden.layers:
            found["dead"] = float((sums[3:] == 0).double().mean())
        return found
