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
from sparsesr.lab.train.task import Figures, Task


@dataclass(frozen=True)
class Trainee:
    """A network in training, with all state that a step changes."""

    recipe: Recipe
    task: Task
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
    figures: Figures
    """Values of the task for the log."""
    learning_rate: float


def train_step(trainee: Trainee, step: int, batch: Batch) -> Losses:
    """Run optimiser step ``step``, counted from 1, on images in 0..1 and the task's targets."""
    recipe, fabric, masks = trainee.recipe, trainee.fabric, trainee.masks
    masks.start_step(step)
    trainee.pruner.start_step(step)
    rate = set_learning_rate(trainee.optimizer, recipe, step)
    image_B3HW, target = batch
    fidelity, figures = trainee.task.loss(trainee.network(image_B3HW).float(), target)
    total = fidelity + masks.loss(image_B3HW, target) / 255
    trainee.optimizer.zero_grad(set_to_none=True)
    fabric.backward(total)
    trainee.pruner.before_update()
    fabric.clip_gradients(
        trainee.network, trainee.optimizer, max_norm=recipe.gradient_clip, error_if_nonfinite=False
    )
    trainee.optimizer.step()
    trainee.average.update_parameters(trainee.plain)
    trainee.pruner.after_update()
    masks.observe(step, image_B3HW, partial(mean_over, fabric))
    return Losses(total.detach(), figures, rate)
