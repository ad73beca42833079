"""Mask schedule of a run: open, taught, started, under density pressure, frozen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from sparsesr.errors import Parameter, UsageError, Wording
from sparsesr.lab.nn.layers.spatial_mask import SpatialMaskUnit, density
from sparsesr.lab.nn.masked_network import MaskedNetwork, with_masks
from sparsesr.lab.sparsity.control import DensityControl
from sparsesr.lab.sparsity.lesson import interpolation_log_error_B1HW
from sparsesr.lab.sparsity.schedules import temperature_at, warmup_at
from sparsesr.lab.sparsity.threshold import away_from_border
from sparsesr.lab.train.mask_thresholds import FIRST_GAP, MaskThresholds, MeanOverProcesses, gaps
from sparsesr.lab.train.recipe import Recipe, Sparsity
from sparsesr.lab.train.run_part import NoPart, RunPart

OBSERVE_EVERY = 10
"""Steps between density measurements; each waits for the device."""
# Logit gap of the channels when masks start: 27 % of them are dense. Sparse channels disturb nothing while nearly all
# pixels are active; if all channels were dense, spatial masks would have no effect.
_CHANNEL_GAP = -1.0
_FOLLOWED = 0.3
"""Share of the excess over ``most_dense`` that is removed per step."""


class MaskPolicy(RunPart, Protocol):
    """Controls the masks of a network during training."""

    def loss(self, lr_B3HW: Tensor, hr_B3YX: Tensor) -> Tensor | float:
        """Mask loss of the last forward pass, on the scale of an L1 loss on 0..255."""
        ...

    def observe(self, step: int, image_B3HW: Tensor, mean_over_processes: MeanOverProcesses) -> None:
        """Update from the masks of the last forward pass; ``image_B3HW`` is the LR batch of the step."""
        ...


class NoMasks(NoPart):
    """Policy of a network without masks."""

    def loss(self, lr_B3HW: Tensor, hr_B3YX: Tensor) -> float:
        """No loss."""
        return 0.0

    def observe(self, step: int, image_B3HW: Tensor, mean_over_processes: MeanOverProcesses) -> None:
        """Nothing to follow."""


class MaskTraining:
    """Sets temperature, openness and hardness for each step, and computes the mask losses.

    Everything is a function of the step except the state of controller and thresholds. ``average`` is kept in the same
    state, for validation.
    """

    def __init__(self, network: MaskedNetwork, average: MaskedNetwork, plan: Sparsity, steps: int) -> None:
        self.network, self.average, self.plan, self.steps = network, average, plan, steps
        self.dense_steps = round(plan.dense_fraction * steps)
        self.lesson_step = self.dense_steps - round(plan.lesson_fraction * steps) + 1
        self.control = DensityControl(len(network.mask_units()), plan.largest_weight, plan.module_floor)
        self._weights: list[float] = []
        self._target = 1.0
        self._hardness = 0.0
        self._is_lesson = False
        # A run that is resumed with fewer steps may have missed these.
        self._are_started = self._are_centred = False
        self._log_error_B1HW: Tensor | None = None
        self._lesson_loss: Tensor | None = None
        self.thresholds = MaskThresholds(network, average)

    def start_step(self, step: int) -> None:
        """Set the masks for ``step``, counted from 1."""
        is_open = step <= self.dense_steps
        self._is_lesson = self.plan.lesson_weight > 0 and step >= self.lesson_step
        for network in (self.network, self.average):
            network.open_masks(is_open)
        self.network.teach_masks(self._is_lesson)
        is_missed = step > self.lesson_step and not self._are_started
        if (step == self.lesson_step or is_missed) and not self.plan.keep_masks:
            self._start_masks()
        masked = max(step - self.dense_steps, 0) / self.steps
        self.network.set_temperature(
            temperature_at(masked, self.plan.temperature_final, self.plan.temperature_fraction)
        )
        if step > self.plan.freeze_fraction * self.steps and not is_open:
            self.network.freeze_channel_masks()
        if step > self.plan.hard_fraction * self.steps and not is_open:
            self.network.harden_spatial_masks(self.plan.straight_through)
        # Masks that were trained before are already near their target: no ramp from 1.
        risen = 1.0 if self.plan.keep_masks else warmup_at(masked, self.plan.warmup_fraction)
        self._set_weights(0.0 if is_open else risen)

    def _start_masks(self) -> None:
        for module, average in zip(self.network.mask_units(), self.average.mask_units(), strict=True):
            module.start_masks(FIRST_GAP, _CHANNEL_GAP)
            average.copy_masks(module)
        self._are_started = True

    def _set_weights(self, progress: float) -> None:
        # Soft densities move before any logit changes sign; the final target is the density of hard masks.
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

    def loss(self, lr_B3HW: Tensor, hr_B3YX: Tensor) -> Tensor:
        """Sparsity loss plus lesson loss of the last forward pass, on the scale of an L1 loss on 0..255."""
        densities = torch.stack([module.last_density for module in self.network.mask_units()])
        pressure = (densities * densities.new_tensor(self._weights)).mean()
        if not self._is_lesson:
            return pressure
        self._log_error_B1HW = interpolation_log_error_B1HW(lr_B3HW, hr_B3YX, self.network.upsample)
        lesson = self.thresholds.lesson_loss(self._log_error_B1HW)
        self._lesson_loss = lesson.detach()
        return pressure + self.plan.lesson_weight * lesson

    @torch.no_grad()
    def observe(self, step: int, image_B3HW: Tensor, mean_over_processes: MeanOverProcesses) -> None:
        """Update from the masks of the last forward pass: thresholds each step, weights every ``OBSERVE_EVERY``.

        ``image_B3HW`` is the LR batch of the step.
        """
        if self._log_error_B1HW is not None:
            self.thresholds.fix_levels(self._log_error_B1HW, mean_over_processes)
        if step <= self.dense_steps:
            return
        if self.plan.is_led_by_threshold:
            self._lead_thresholds(step, image_B3HW, mean_over_processes)
        if step % OBSERVE_EVERY == 0:
            self._observe_density(mean_over_processes)

    def _lead_thresholds(self, step: int, image_B3HW: Tensor, mean_over_processes: MeanOverProcesses) -> None:
        is_first = step == self.dense_steps + 1 or not self._are_centred
        if is_first and not self.plan.keep_masks:
            self.thresholds.start(mean_over_processes)
            self._are_centred = True
            return
        self.thresholds.follow(self._target, mean_over_processes)
        for module in self.network.mask_units():
            module.limit_dense(self.plan.most_dense, _FOLLOWED)
        if step % OBSERVE_EVERY == 0:
            self.thresholds.follow_average(image_B3HW, self._target, mean_over_processes)

    def _observe_density(self, mean_over_processes: MeanOverProcesses) -> None:
        modules = self.network.mask_units()
        soft = torch.stack([_inner_density(module) for module in modules])
        hard = torch.stack(
            [
                density(gap > 0, module.hard_dense_CL())
                for gap, module in zip(gaps(self.network), modules, strict=True)
            ]
        )
        seen = mean_over_processes(soft + self._hardness * (hard - soft))
        self.control.observe(seen.tolist(), self._target, OBSERVE_EVERY)

    def figures(self) -> dict[str, float]:
        """Log values: running density (kept) and its target, mean weight, temperature, lesson loss."""
        found = {
            "density": self.control.mean_density,
            "sparsity_weight": sum(self._weights) / self.control.modules,
            "temperature": self.network.mask_units()[0].temperature,
        }
        if self.plan.target_density is not None:
            found["density_target"] = self._target
        if self._lesson_loss is not None:
            found["lesson"] = self._lesson_loss.item()
        return found

    def state(self) -> dict[str, Any]:
        """State for a checkpoint."""
        begun = {"started": self._are_started, "centred": self._are_centred}
        return {**self.control.state(), **self.thresholds.state(), **begun}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state`."""
        self.control.restore(state)
        self.thresholds.restore(state)
        self._are_started, self._are_centred = (state.get(name, True) for name in ("started", "centred"))


def _inner_density(module: SpatialMaskUnit) -> Tensor:
    """Kept fraction of the last forward pass without the patch border; masks as used, soft or hard."""
    if module.last_mask_B1HW is None:
        raise RuntimeError("no forward pass yet")
    return density(away_from_border(module.last_mask_B1HW), module.last_dense_CL)


def check_kept_masks(recipe: Recipe, network: nn.Module, missing: Iterable[str]) -> None:
    """Raise UsageError if a new run keeps masks, and their weights are among the ``missing`` initial ones."""
    masked = with_masks(network)
    if masked is None or recipe.sparsity is None or not recipe.sparsity.keep_masks:
        return
    units = set(masked.mask_units())
    heads = tuple(f"{name}.spa_mask." for name, part in network.named_modules() if part in units)
    if any(name.startswith(heads) for name in missing):
        raise UsageError(
            "there are no trained masks to keep",
            where=Parameter("recipe.sparsity.keep_masks"),
            remedy=Wording("set {} to a network with trained masks", "recipe.init_from"),
        )


def mask_policy(recipe: Recipe, network: nn.Module, average: nn.Module) -> MaskPolicy:
    """The mask policy; :class:`NoMasks` if the network has no masks or the recipe does not train them."""
    masked, masked_average = with_masks(network), with_masks(average)
    if recipe.sparsity is None or masked is None or masked_average is None:
        return NoMasks()
    return MaskTraining(masked, masked_average, recipe.sparsity, recipe.steps)
