"""Thresholds of the masks of a network and of its moving average: they lead the density to its target.

Shape suffixes: B batch, H and W rows and columns of the LR picture, 1 a broadcast axis.
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
"""Mean difference of logits when masks begin: nearly all pixels are important."""
# Logits that hardly differ say nothing yet; blown up, they would only jump with every step of the features.
_MOST_SCALE = 10.0

MeanOverProcesses = Callable[[Tensor], Tensor]


class MaskThresholds:
    """Moves the bias of every mask head, and takes the wanted value of the lesson along.

    Differences of logits are those of the last forward pass of a network, see :func:`gaps`.
    """

    def __init__(self, network: MaskedNetwork, average: MaskedNetwork) -> None:
        self.network, self.average = network, average
        self._levels: Tensor | None = None
        """One for each module: what the lesson adds to the wanted differences. None: not known yet."""

    def lesson_loss(self, log_error_B1HW: Tensor) -> Tensor:
        """Loss of the mask heads; 0 until they were seen once, and so their levels are known."""
        if self._levels is None:
            return log_error_B1HW.new_zeros(())
        return lesson_loss(gaps(self.network), away_from_border(log_error_B1HW), self._levels)

    def fix_levels(self, log_error_B1HW: Tensor, mean_over_processes: MeanOverProcesses) -> None:
        """Let the lesson begin at the level of the heads: it tells pixels apart, how many count is for thresholds."""
        if self._levels is not None:
            return
        wanted_B1HW = wanted_gap_B1HW(away_from_border(log_error_B1HW))
        self._levels = mean_over_processes(
            torch.stack([(gap - wanted_B1HW).mean() for gap in gaps(self.network)])
        )

    def begin(self, mean_over_processes: MeanOverProcesses) -> None:
        """Put the differences of logits around ``FIRST_GAP``.

        Heads that had no lesson also get a spread of 1, as the noise drawn with them has, or as near as ten times
        their own comes.
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
        """One step of the network's thresholds towards this density."""
        for index, shift in enumerate(_follow(self.network, target, mean_over_processes)):
            self._shift_level(index, shift)

    def follow_average(
        self, picture_B3HW: Tensor, target: float, mean_over_processes: MeanOverProcesses
    ) -> None:
        """One step of the average's: those of the network do not fit its logits."""
        was_training = self.average.training
        self.average.eval()(picture_B3HW)
        self.average.train(was_training)
        _follow(self.average, target, mean_over_processes)

    def _shift_level(self, index: int, by: Tensor) -> None:
        if self._levels is not None:
            self._levels[index] += by

    def state(self) -> dict[str, list[float] | None]:
        """What a checkpoint must keep."""
        return {"levels": None if self._levels is None else self._levels.tolist()}

    def restore(self, state: dict[str, list[float] | None]) -> None:
        """Go on from :meth:`state`; the network is where it will be trained."""
        levels = state.get("levels")
        device = next(self.network.parameters()).device
        self._levels = None if levels is None else torch.tensor(levels, device=device)


def gaps(network: MaskedNetwork) -> list[Tensor]:
    """Differences of logits of the last forward pass, (B, 1, H, W) without the border, fp32, of each module."""
    found: list[Tensor] = []
    for module in network.mask_units():
        if module.last_gap_B1HW is None:
            raise RuntimeError("masks were open, and their heads not taught")
        found.append(away_from_border(module.last_gap_B1HW).float())
    return found


def _figures(network: MaskedNetwork, mean_over_processes: MeanOverProcesses) -> Tensor:
    """``gap_figures`` of each module, over all processes: (modules, 3)."""
    return mean_over_processes(torch.stack([gap_figures(gap) for gap in gaps(network)]))


def _follow(
    network: MaskedNetwork, target: float, mean_over_processes: MeanOverProcesses
) -> Sequence[Tensor]:
    """Moves every module's threshold a step; returns by how much."""
    shifts: list[Tensor] = []
    for module, figures in zip(network.mask_units(), _figures(network, mean_over_processes), strict=True):
        wanted = active_share_for(target, module.hard_dense_CL().float().mean())
        shifts.append(threshold_shift(figures, wanted))
        module.shift_gap(shifts[-1])
    return shifts
