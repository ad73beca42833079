"""One training step as a function, for the loop and for other procedures such as search or pruning."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from sparsesr.lab.data.patches import Batch
from sparsesr.lab.train.masks import MaskPolicy
from sparsesr.lab.train.optimisation import set_learning_rate
from sparsesr.lab.train.processes import mean_over
from sparsesr.lab.train.pruning import NoPruning, Pruner
from sparsesr.lab.train.recipe import Recipe


@dataclass(frozen=True)
class Trainee:
    """A network in training, with all state that a step changes."""

    recipe: Recipe
    fabric: Fabric
    plain: nn.Module
    """The network itself; its state goes into checkpoints."""
    network: Any
    """The same network as it is executed: wrapped by Fabric, possibly compiled."""
    optimizer: Any
    average: AveragedModel
    """Exponential moving average of the weights; it is validated and shipped."""
    masks: MaskPolicy
    pruner: Pruner = field(default_factory=NoPruning)


@dataclass(frozen=True)
class Losses:
    """Losses of a step, on its device."""

    total: Tensor
    """The minimised loss."""
    l1: Tensor
    """Mean absolute error against the HR patches, on 0..1."""
    learning_rate: float


def train_step(trainee: Trainee, step: int, batch: Batch) -> Losses:
    """Run optimiser step ``step``, counted from 1, on LR and HR patches in 0..1."""
    recipe, fabric, masks = trainee.recipe, trainee.fabric, trainee.masks
    masks.start_step(step)
    trainee.pruner.start_step(step)
    rate = set_learning_rate(trainee.optimizer, recipe, step)
    lr_B3HW, hr_B3YX = batch
    difference_B3YX = trainee.network(lr_B3HW).float() - hr_B3YX
    l1 = difference_B3YX.abs().mean()
    fidelity = l1 if recipe.loss == "l1" else difference_B3YX.square().mean()
    total = fidelity + masks.loss(lr_B3HW, hr_B3YX) / 255
    trainee.optimizer.zero_grad(set_to_none=True)
    fabric.backward(total)
    trainee.pruner.before_update()
    fabric.clip_gradients(
        trainee.network, trainee.optimizer, max_norm=recipe.gradient_clip, error_if_nonfinite=False
    )
    trainee.optimizer.step()
    trainee.average.update_parameters(trainee.plain)
    trainee.pruner.after_update()
    masks.observe(step, lr_B3HW, partial(mean_over, fabric))
    return Losses(total.detach(), l1.detach(), rate)
