"""Pruning during a run: masks of weights by a schedule, kept exact after every optimiser step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from sparsesr.lab.sparsity.balance import Balance
from sparsesr.lab.sparsity.balanced import sparsity_at
from sparsesr.lab.sparsity.patterns import PATTERNS
from sparsesr.lab.train.prunable import prunable_weights
from sparsesr.lab.train.recipe import Pruning, Recipe
from sparsesr.lab.train.refit import gram_matrices, refitted
from sparsesr.lab.train.run_part import NoPart, RunPart

_KEPT = "kept"
"""Entry of the state beside those of the layers."""


class Pruner(RunPart, Protocol):
    """Prunes the weights of a network during training."""

    def before_update(self) -> None:
        """Adjust gradients and weights between the backward pass and the optimiser."""
        ...

    def after_update(self) -> None:
        """Make pruned weights exact zeros again, after optimiser and average."""
        ...


class NoPruning(NoPart):
    """All weights are kept."""

    def before_update(self) -> None:
        """Nothing to adjust."""

    def after_update(self) -> None:
        """Nothing to keep at zero."""


@dataclass(frozen=True)
class Surroundings:
    """What a pruner works on."""

    network: nn.Module
    average: nn.Module
    optimizer: torch.optim.Optimizer
    images_at: Callable[[int], Tensor]
    """LR patches of a step."""
    mean_over_processes: Callable[[Tensor], Tensor] = lambda value: value


class GradualPruning:
    """Prunes at a few events with rising sparsity; weights, momenta and averages that were pruned stay zero.

    Each event chooses among the current weights. Those pruned before are zero, so they are not chosen again unless a
    block has too few others. Settings: :class:`sparsesr.lab.train.recipe.Pruning`.
    """

    def __init__(self, around: Surroundings, plan: Pruning, steps: int) -> None:
        self.plan, self.around = plan, around
        self.weights = prunable_weights(around.network, plan)
        self.averages = prunable_weights(around.average, plan)
        #: True where a weight is pruned, by name.
        self.dropped = {
            name: torch.zeros_like(weight, dtype=torch.bool) for name, weight in self.weights.items()
        }
        self.events = pruning_events(plan, steps)
        #: Weights of a block that the last event kept.
        self.kept = plan.block

    def start_step(self, step: int) -> None:
        """Prune if events are due."""
        due = [*self._overdue(step), *self.events.get(step, [])]
        grams = self._grams(step) if due and self.plan.refit else {}
        for balance in due:
            self._choose(balance)
            self._fit(grams)
            self.after_update()
            self.kept = balance.keep

    def _overdue(self, step: int) -> list[Balance]:
        """The last event that never came, because the run was resumed with fewer steps."""
        earlier = [balance for at, balances in self.events.items() if at < step for balance in balances]
        return [balance for balance in earlier[-1:] if balance.keep < self.kept]

    @torch.no_grad()
    def _choose(self, balance: Balance) -> None:
        mask_of = PATTERNS[self.plan.pattern]
        for name, weight in self.weights.items():
            self.dropped[name] = ~mask_of(weight, balance)

    def _grams(self, step: int) -> dict[str, Tensor]:
        """Gram matrices of the layers' inputs in evaluation, over the images of this and the next steps."""
        network = self.around.network

        def run() -> None:
            for ahead in range(self.plan.refit):
                network(self.around.images_at(step + ahead))

        network.eval()
        grams = gram_matrices(network, self.weights, run)
        network.train()
        return {name: self.around.mean_over_processes(gram) for name, gram in grams.items()}

    @torch.no_grad()
    def _fit(self, grams: dict[str, Tensor]) -> None:
        """Refit the kept weights; averages start again from the result."""
        for name, gram in grams.items():
            weight = self.weights[name]
            weight.copy_(refitted(weight, ~self.dropped[name], gram))
            self.averages[name].copy_(weight)

    @torch.no_grad()
    def before_update(self) -> None:
        """Drop the gradients of pruned weights, which would count in the norm for clipping."""
        for name, weight in self.weights.items():
            if weight.grad is not None:
                weight.grad.masked_fill_(self.dropped[name], 0)

    @torch.no_grad()
    def after_update(self) -> None:
        """Write zeros over pruned weights, and over their momenta and averages."""
        for name, dropped in self.dropped.items():
            weight = self.weights[name]
            weight.masked_fill_(dropped, 0)
            self.averages[name].masked_fill_(dropped, 0)
            for momentum in self.around.optimizer.state.get(weight, {}).values():
                if isinstance(momentum, Tensor) and momentum.shape == weight.shape:
                    momentum.masked_fill_(dropped, 0)

    def figures(self) -> dict[str, float]:
        """Kept share of the weights of pruned layers."""
        dropped = sum(int(mask.sum()) for mask in self.dropped.values())
        return {"weights_kept": 1 - dropped / sum(mask.numel() for mask in self.dropped.values())}

    def state(self) -> dict[str, Any]:
        """State for a checkpoint."""
        return {**self.dropped, _KEPT: self.kept}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state`."""
        self.kept = state.get(_KEPT, self.plan.keep)
        for name, weight in self.weights.items():  # on their device by now, unlike when this object was made
            self.dropped[name] = state[name].to(weight.device)


class StraightThroughPruning(GradualPruning):
    """SR-STE (Zhou et al., ICLR 2021, section 3.2): the final pattern from the first step on, chosen anew in each.

    The network computes with the kept weights, and their gradients update all weights; pruned ones decay as well, so
    that few of them return. After ``fraction`` of the steps the choice is final, and the pruned weights are zero.
    """

    def __init__(self, around: Surroundings, plan: Pruning, steps: int) -> None:
        super().__init__(around, plan, steps)
        self.final_step = round(plan.fraction * steps) + 1
        #: All weights while the network computes with the kept ones; empty between steps.
        self._whole: dict[str, Tensor] = {}
        self._is_final = False

    @torch.no_grad()
    def start_step(self, step: int) -> None:
        """Hide the weights that are not among the largest at present."""
        was_final, self._is_final = self._is_final, step >= self.final_step
        if step <= self.final_step:
            self._choose(self.plan.balance)
        if self._is_final:
            if not was_final:  # later the weights are zero since the last update
                self.after_update()
            return
        for name, weight in self.weights.items():
            self._whole[name] = weight.detach().clone()
            weight.masked_fill_(self.dropped[name], 0)

    @torch.no_grad()
    def before_update(self) -> None:
        """Bring the hidden weights back, and add their decay to the gradient."""
        if self._is_final:
            super().before_update()
            return
        for name, whole in self._whole.items():
            weight = self.weights[name]
            weight.copy_(whole)
            if weight.grad is not None:
                weight.grad.add_(whole * self.dropped[name], alpha=self.plan.decay)
        self._whole.clear()

    @torch.no_grad()
    def after_update(self) -> None:
        """Write zeros over pruned weights: at first in the average only, which is validated and shipped."""
        if self._is_final:
            super().after_update()
            return
        for name, dropped in self.dropped.items():
            self.averages[name].masked_fill_(dropped, 0)


def pruning_events(plan: Pruning, steps: int) -> dict[int, list[Balance]]:
    """The patterns that each step starts with, of rising sparsity; the last one is the final pattern."""
    final, spacing = 1 - plan.balance.density, plan.fraction * steps / plan.events
    events: dict[int, list[Balance]] = {}
    for index in range(plan.events):
        sparsity = sparsity_at((index + 1) / plan.events, final)
        balances = events.setdefault(1 + round(index * spacing), [])
        if plan.balance.at_sparsity(sparsity) not in balances:
            balances.append(plan.balance.at_sparsity(sparsity))
    return events


def make_pruner(recipe: Recipe, around: Surroundings) -> Pruner:
    """The pruner of a recipe; :class:`NoPruning` if it prunes nothing.

    Raises:
        UsageError: the pattern does not fit the network.
    """
    if recipe.pruning is None:
        return NoPruning()
    kind = {"gradual": GradualPruning, "straight_through": StraightThroughPruning}[recipe.pruning.method]
    return kind(around, recipe.pruning, recipe.steps)
