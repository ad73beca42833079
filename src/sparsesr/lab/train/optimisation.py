"""Optimiser, learning rate and moving average. The rate is a function of the step, so it has no state to save."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from sparsesr.lab.train.muon import Muon, muon_groups
from sparsesr.lab.train.recipe import Recipe

_ONE_CYCLE_START = 1 / 25


def make_optimizer(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    """The recipe's optimiser; channel masks form a separate group (``lr_factor``, no weight decay)."""
    named = [(name, parameter) for name, parameter in network.named_parameters() if parameter.requires_grad]
    channel_masks = [parameter for name, parameter in named if name.endswith("ch_mask")]
    others = [parameter for name, parameter in named if not name.endswith("ch_mask")]
    factor = recipe.sparsity.channel_lr_factor if recipe.sparsity else 1.0
    if recipe.optimizer == "muon":
        muon = muon_groups(others, channel_masks, factor)
        return Muon(muon, recipe.learning_rate, recipe.betas, recipe.weight_decay)
    groups: list[dict[str, Any]] = [{"params": others, "lr_factor": 1.0, "weight_decay": recipe.weight_decay}]
    if channel_masks:
        groups.append({"params": channel_masks, "lr_factor": factor, "weight_decay": 0.0})
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, recipe.learning_rate, momentum=recipe.betas[0])
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimizer]
    return kind(groups, lr=recipe.learning_rate, betas=(recipe.betas[0], recipe.betas[1]))


def set_learning_rate(optimizer: Any, recipe: Recipe, step: int) -> float:
    """Set every group's rate for ``step``, counted from 1; returns the rate."""
    rate = recipe.learning_rate * lr_factor_at(recipe, step)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_factor"]
    return rate


def lr_factor_at(recipe: Recipe, step: int) -> float:
    """Learning rate at ``step`` (1 to ``recipe.steps``) relative to its peak."""
    progress = (step - 1) / recipe.steps
    warmup = recipe.lr_warmup_fraction
    if progress < warmup:
        risen = step / max(warmup * recipe.steps, 1.0)
        lowest = _ONE_CYCLE_START if recipe.schedule == "one_cycle" else 0.0
        return lowest + (1 - lowest) * min(risen, 1.0)
    if recipe.schedule == "constant":
        return 1.0
    if recipe.schedule == "wsd":
        return min((recipe.steps - step + 1) / max(recipe.lr_decay_steps, 1), 1.0)
    if recipe.schedule == "step":
        return recipe.step_factor ** sum(progress >= share for share in recipe.step_at)
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


def make_average(recipe: Recipe, network: nn.Module) -> AveragedModel:
    """Exponential moving average of the weights; its window is short at first, to forget the initial weights."""

    @torch.no_grad()
    def update(averaged: Sequence[Tensor], current: Sequence[Tensor], updates: Tensor | int) -> None:
        decay = min(recipe.ema_decay, (1 + int(updates)) / (10 + int(updates)))
        if averaged[0].is_floating_point():
            torch._foreach_lerp_(list(averaged), list(current), 1 - decay)
        else:  # counts, such as those of batch norm
            torch._foreach_copy_(list(averaged), list(current))

    return AveragedModel(network, multi_avg_fn=update, use_buffers=True)
