"""Mask thresholds of a network and of its moving average: they bring the density to its target.

Shape suffixes: B batch, H and W rows and columns of the LR image, 1 a broadcast axis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from sparsesr.lab.nn.masked_network import MaskedNetwork
from sparsesr.lab.sparsity.lesson import lesson_loss, wanted_gap_B1HW
from sparsesr.lab.sparsity.threshold import (
    active_share_for,
    away_from_border,
    gap_figures,
    mean_and_spread,
    threshold_shift,
)

FIRST_GAP = 3.0
"""Mean logit gap when masks start: nearly all pixels are active."""
# Logits that hardly differ carry no information yet; scaled up, they would fluctuate with every step of the features.
_MOST_SCALE = 10.0

MeanOverProcesses = Callable[[Tensor], Tensor]


class MaskThresholds:
    """Shifts the bias of every mask head, and the lesson's target with it.

    Logit gaps are those of the last forward pass of a network, see :func:`gaps`.
    """

    def __init__(self, network: MaskedNetwork, average: MaskedNetwork) -> None:
        self.network, self.average = network, average
        self._levels: Tensor | None = None
        """Per module, the offset of the lesson's target gaps. None: not known yet."""

    def lesson_loss(self, log_error_B1HW: Tensor) -> Tensor:
        """Loss of the mask heads; 0 until :meth:`fix_levels` has set their levels."""
        if self._levels is None:
            return log_error_B1HW.new_zeros(())
        return lesson_loss(gaps(self.network), away_from_border(log_error_B1HW), self._levels)

    def fix_levels(self, log_error_B1HW: Tensor, mean_over_processes: MeanOverProcesses) -> None:
        """Set the lesson's levels to those of the heads: it only ranks pixels, thresholds set how many are active."""
        if self._levels is not None:
            return
        wanted_B1HW = wanted_gap_B1HW(away_from_border(log_error_B1HW))
        self._levels = mean_over_processes(
            torch.stack([(gap - wanted_B1HW).mean() for gap in gaps(self.network)])
        )

    def start(self, mean_over_processes: MeanOverProcesses) -> None:
        """Centre the logit gaps on ``FIRST_GAP``.

        Gaps of heads without a lesson are also scaled, by at most ten, towards a spread of 1, similar to the Gumbel
        noise.
        """
        for index, (mean, spread) in enumerate(
            map(mean_and_spread, _figures(self.network, mean_over_processes))
        ):
            scale = (1 / spread).clamp_max(_MOST_SCALE) if self._levels is None else torch.ones_like(spread)
            shift = FIRST_GAP - mean * scale
            for network in (self.network, self.average):
                module = network.mask_units()[index]
                module.scale_gap(scale)
                module.shift_gap(shift)
            self._shift_level(index, shift)

    def follow(self, target: float, mean_over_processes: MeanOverProcesses) -> None:
        """Move the network's thresholds one step towards the target density."""
        for index, shift in enumerate(_follow(self.network, target, mean_over_processes)):
            self._shift_level(index, shift)

    def follow_average(
        self, image_B3HW: Tensor, target: float, mean_over_processes: MeanOverProcesses
    ) -> None:
        """Move the thresholds of the average one step; its logits differ from the network's, so it needs its own."""
        was_training = self.average.training
        self.average.eval().predict_masks(image_B3HW)
        self.average.train(was_training)
        _follow(self.average, target, mean_over_processes)

    def _shift_level(self, index: int, by: Tensor) -> None:
        if self._levels is not None:
            self._levels[index] += by

    def state(self) -> dict[str, list[float] | None]:
        """State for a checkpoint."""
        return {"levels": None if self._levels is None else self._levels.tolist()}

    def restore(self, state: dict[str, list[float] | None]) -> None:
        """Restore :meth:`state`; the network must already be on its device."""
        levels = state.get("levels")
        device = next(self.network.parameters()).device
        self._levels = None if levels is None else torch.tensor(levels, device=device)


def gaps(network: MaskedNetwork) -> list[Tensor]:
    """Logit gaps of the last forward pass, one fp32 tensor (B, 1, H, W) per module, without the border."""
    found: list[Tensor] = []
    for module in network.mask_units():
        if module.last_gap_B1HW is None:
            raise RuntimeError("masks were open and their heads were not evaluated")
        found.append(away_from_border(module.last_gap_B1HW).float())
    return found


def _figures(network: MaskedNetwork, mean_over_processes: MeanOverProcesses) -> Tensor:
    """``gap_figures`` of each module, averaged over all processes: (modules, 3)."""
    return mean_over_processes(torch.stack([gap_figures(gap) for gap in gaps(network)]))


def _follow(
    network: MaskedNetwork, target: float, mean_over_processes: MeanOverProcesses
) -> Sequence[Tensor]:
    """Move every module's threshold one step; returns the shifts."""
    shifts: list[Tensor] = []
    for module, figures in zip(network.mask_units(), _figures(network, mean_over_processes), strict=True):
        wanted = active_share_for(target, module.hard_dense_CL().float().mean())
        shifts.append(threshold_shift(figures, wanted))
        module.shift_gap(shifts[-1])
    return shifts
