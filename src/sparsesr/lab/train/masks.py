"""Leads the masks of a network through a run: open, biased, under pressure, frozen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from sparsesr.lab.nn.smsr import SMSR
from sparsesr.lab.sparsity.control import DensityControl
from sparsesr.lab.sparsity.schedules import temperature_at, warmup_at
from sparsesr.lab.sparsity.threshold import gap_moments, mean_and_spread, shares_below, threshold_shift
from sparsesr.lab.train.recipe import Recipe, Sparsity

OBSERVE_EVERY = 10
"""Steps between two looks at the density: each costs a synchronisation of the device and of the processes."""
# Differences of logits when masks begin: 95 % of the pixels are important, 27 % of the channels dense. While nearly all
# pixels are important the channels do not matter, and so they disturb nothing; were they dense, masks would not matter.
_LOGIT_GAP, _CHANNEL_GAP = 3.0, -1.0
_FOLLOWED = 0.3
"""Share of the way to the wanted threshold that is gone each step."""


class NoMasks:
    """The same interface for a network without masks."""

    def begin_step(self, step: int) -> None:
        """Nothing to set."""

    def pressure(self) -> Tensor | float:
        """No loss."""
        return 0.0

    def observe(
        self, step: int, picture_B3HW: Tensor, mean_over_processes: Callable[[Tensor], Tensor]
    ) -> None:
        """Nothing to see."""

    def figures(self) -> dict[str, float]:
        """Nothing to report."""
        return {}

    def state(self) -> dict[str, Any]:
        """Nothing to keep."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""


class MaskTraining(NoMasks):
    """Sets temperature, openness and hardness for each step, and gives the sparsity loss.

    Everything is a function of the step, but for the controller's state. ``average`` is set alike, for validation.
    """

    def __init__(self, network: SMSR, average: SMSR, plan: Sparsity, steps: int) -> None:
        self.network, self.average, self.plan, self.steps = network, average, plan, steps
        self.dense_steps = round(plan.dense_fraction * steps)
        self.control = DensityControl(len(network.sparse_modules()), plan.largest_weight, plan.module_floor)
        self._weights: list[float] = []
        self._target = 1.0
        self._hardness = 0.0

    def begin_step(self, step: int) -> None:
        """Set the masks for ``step``, counted from 1."""
        is_open = step <= self.dense_steps
        for network in (self.network, self.average):
            network.open_masks(is_open)
        if step == self.dense_steps + 1 and not self.plan.keep_masks:
            self._begin_masks()
        masked = max(step - self.dense_steps, 0) / self.steps
        self.network.set_temperature(
            temperature_at(masked, self.plan.temperature_final, self.plan.temperature_fraction)
        )
        if step > self.plan.freeze_fraction * self.steps and not is_open:
            self.network.freeze_channel_masks()
        if step > self.plan.hard_fraction * self.steps and not is_open:
            self.network.harden_spatial_masks()
        # Masks that were trained before are where they should be: no line to follow from 1.
        risen = 1.0 if self.plan.keep_masks else warmup_at(masked, self.plan.warmup_fraction)
        self._set_weights(0.0 if is_open else risen)

    def _begin_masks(self) -> None:
        for module, average in zip(self.network.sparse_modules(), self.average.sparse_modules(), strict=True):
            module.begin_masks(_LOGIT_GAP, _CHANNEL_GAP)
            average.spa_mask.load_state_dict(module.spa_mask.state_dict())
            average.body.ch_mask.data.copy_(module.body.ch_mask.data)

    def _set_weights(self, progress: float) -> None:
        # Soft densities move before any logit changes sign; what is asked for at last is the density of hard masks.
        self._hardness = progress
        if self.plan.target_density is None:
            self._target, self._weights = 1.0, [progress * self.plan.weight] * self.control.modules
        elif progress == 0:
            self._target, self._weights = 1.0, [0.0] * self.control.modules
        else:
            self._target = 1 - progress * (1 - self.plan.target_density)
            is_led = self.plan.control == "weight"
            constant = [progress * self.plan.weight] * self.control.modules
            self._weights = self.control.weights(self._target) if is_led else constant

    def pressure(self) -> Tensor:
        """The sparsity loss of the last forward pass, on the scale of an L1 loss on 0..255."""
        densities = torch.stack([module.last_density for module in self.network.sparse_modules()])
        return (densities * densities.new_tensor(self._weights)).mean()

    def observe(
        self, step: int, picture_B3HW: Tensor, mean_over_processes: Callable[[Tensor], Tensor]
    ) -> None:
        """See what the last forward pass kept: thresholds follow each step, weights every ``OBSERVE_EVERY``.

        ``picture_B3HW`` is what the step trained on: the averaged weights need thresholds of their own, for those of
        the last step do not fit their logits.
        """
        if step <= self.dense_steps:
            return
        by_threshold = self.plan.control == "threshold" and self.plan.target_density is not None
        if by_threshold and step == self.dense_steps + 1 and not self.plan.keep_masks:
            self._spread_logits(mean_over_processes)
        elif by_threshold:
            self._move_thresholds(self.network, mean_over_processes)
        if step % OBSERVE_EVERY:
            return
        if by_threshold:
            self._look_with_average(picture_B3HW)
            self._move_thresholds(self.average, mean_over_processes)
        modules = self.network.sparse_modules()
        soft = torch.stack([module.last_density.detach().float() for module in modules])
        hard = torch.stack([module.last_hard_density.float() for module in modules])
        seen = mean_over_processes(soft + self._hardness * (hard - soft))
        self.control.observe(seen.tolist(), self._target, OBSERVE_EVERY)

    def _spread_logits(self, mean_over_processes: Callable[[Tensor], Tensor]) -> None:
        """Bring the differences of logits to a spread of 1, around where masks begin: as large as their noise."""
        moments = mean_over_processes(torch.stack([gap_moments(gap) for gap in _gaps(self.network)]))
        for index, module_moments in enumerate(moments):
            mean, spread = mean_and_spread(module_moments)
            for network in (self.network, self.average):
                module = network.sparse_modules()[index]
                module.scale_gap(1 / spread)
                module.shift_gap(_LOGIT_GAP - mean / spread)

    @torch.no_grad()
    def _look_with_average(self, picture_B3HW: Tensor) -> None:
        was_training = self.average.training
        self.average.eval()(picture_B3HW)
        self.average.train(was_training)

    def _move_thresholds(self, network: SMSR, mean_over_processes: Callable[[Tensor], Tensor]) -> None:
        gaps = _gaps(network)
        moments = mean_over_processes(torch.stack([gap_moments(gap) for gap in gaps]))
        below = mean_over_processes(torch.stack(list(map(shares_below, gaps, moments))))
        density = below.new_tensor(self._target)
        for module, module_moments, shares in zip(network.sparse_modules(), moments, below, strict=True):
            dense_share = module.body.is_dense_CL().to(shares.dtype).mean()
            module.shift_gap(_FOLLOWED * threshold_shift(shares, module_moments, density, dense_share))
            if network is self.network and not module.body.is_channel_mask_frozen:
                module.body.limit_dense(self.plan.most_dense, _FOLLOWED)

    def figures(self) -> dict[str, float]:
        """For the log: running density (kept), its target, the mean weight, and the temperature."""
        found = {
            "density": self.control.mean_density,
            "sparsity_weight": sum(self._weights) / self.control.modules,
            "temperature": self.network.sparse_modules()[0].temperature,
        }
        return found if self.plan.target_density is None else {**found, "density_target": self._target}

    def state(self) -> dict[str, Any]:
        """What a checkpoint must keep."""
        return self.control.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state`."""
        self.control.restore(state)


def _gaps(network: SMSR) -> list[Tensor]:
    """Differences of logits of the last forward pass."""
    gaps = [module.last_gap_B1HW for module in network.sparse_modules()]
    return [gap for gap in gaps if gap is not None]


def mask_training(recipe: Recipe, network: nn.Module, average: nn.Module) -> NoMasks:
    """What leads the masks of this network; nothing to lead if it has none, or the recipe says nothing of them."""
    if recipe.sparsity is None or not isinstance(network, SMSR) or not isinstance(average, SMSR):
        return NoMasks()
    return MaskTraining(network, average, recipe.sparsity, recipe.steps)
