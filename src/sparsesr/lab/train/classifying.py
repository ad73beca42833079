"""The task of classifying with exits: labelled images, the sum of the exits' cross-entropies, accuracies.

Shape suffixes: B batch, E exits, K classes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from sparsesr.errors import Parameter, UsageError
from sparsesr.lab.data.labelled_batches import LabelledBatches, in_order
from sparsesr.lab.data.labelled_images import LabelledImages
from sparsesr.lab.data.labelled_pack import open_labelled
from sparsesr.lab.nn.exit_network import AnyExitNetwork, ExitNetwork
from sparsesr.lab.nn.network import is_classifier
from sparsesr.lab.train.classifying_recipe import ClassifyingRecipe
from sparsesr.lab.train.task import Figures

_PACKED = "packed_train.npy"
_VALIDATION_BATCH = 100


def packed_file(recipe: ClassifyingRecipe, run_folder: Path) -> Path:
    """Where the packed training images of a run are."""
    return Path(recipe.packed) if recipe.packed else run_folder / _PACKED


class Classifying:
    """See :class:`sparsesr.lab.train.task.Task`. ``open_feed`` comes before the methods that need the images."""

    def __init__(self, recipe: ClassifyingRecipe) -> None:
        self.recipe = recipe
        self._images: LabelledImages | None = None

    @property
    def images(self) -> LabelledImages:
        """All images of the opened feed, the held-out ones included."""
        if self._images is None:
            raise RuntimeError("no feed is open")
        return self._images

    def open_feed(
        self,
        run_folder: Path,
        part: tuple[int, int],
        device: torch.device,
        report: Callable[[str], None],
    ) -> LabelledBatches:
        """Batches of the images that are not held out, packed first if needed."""
        recipe = self.recipe
        packed = packed_file(recipe, run_folder)
        self._images = open_labelled(recipe.dataset, recipe.folders, packed, report, packs=part[0] == 0)
        trained, _ = self._images.split(recipe.held_out)
        return LabelledBatches(
            trained, recipe.batch, recipe.seed, part, recipe.crop_padding_px, recipe.flip, device,
            channels_last=recipe.channels_last,
        )  # fmt: skip

    def facts(self) -> dict[str, Any]:
        """The names of the classes, in the order of the logits."""
        return {"classes": list(self.images.classes)}

    def adapted(self, network: nn.Module) -> nn.Module:
        """The network with as many classes as the images have."""
        classes = len(self.images.classes)
        return network.for_classes(classes) if isinstance(network, ExitNetwork) else network

    def check(self, network: nn.Module) -> None:
        """Raise UsageError if the network is no classifier of these images."""
        images = self.images
        if not is_classifier(network):
            raise UsageError(
                f"{self.recipe.network} does not classify",
                where=Parameter("recipe.network"),
                remedy="choose a network such as ranet_cifar_anytime",
            )
        needed_px = cast(AnyExitNetwork, network).config.image_px
        if images.side_px != needed_px:
            raise UsageError(
                f"has images of {images.side_px}x{images.side_px} pixels, but {self.recipe.network} takes"
                f" {needed_px}x{needed_px}",
                where=images.source,
                remedy="choose other images, or another network",
            )

    def start_step(self, network: nn.Module, step: int) -> None:
        """Nothing to prepare."""

    def loss(self, output: Tensor, target: Tensor) -> tuple[Tensor, Figures]:
        """Sum of the cross-entropies of all exits, of logits (E, B, K) and labels (B,)."""
        labels_EB = target.expand(len(output), -1)
        total = len(output) * functional.cross_entropy(output.flatten(0, 1), labels_EB.flatten())
        right_E = (output.detach().argmax(-1) == target).float().mean(1)
        return total, {"loss": total.detach(), "first_exit": 100 * right_E[0], "last_exit": 100 * right_E[-1]}

    def validation(self, network: nn.Module, part: tuple[int, int]) -> ExitValidation:
        """The held-out images."""
        _, held_out = self.images.split(self.recipe.held_out)
        return ExitValidation(held_out.part(*part))


class ExitValidation:
    """Accuracy of every exit on labelled images."""

    def __init__(self, images: LabelledImages) -> None:
        self.images = images

    @torch.no_grad()
    def measure(
        self, network: nn.Module, sum_over_processes: Callable[[Tensor], Tensor] = lambda value: value
    ) -> dict[str, float]:
        """Shares of right answers in percent, ``exit_1`` and so on."""
        was_training, device = network.training, next(network.parameters()).device
        network.eval()
        # One process of several may have no images.
        exits = cast(AnyExitNetwork, network).config.exits
        totals = torch.zeros(exits + 1, dtype=torch.float64)
        for image_B3HW, labels_B in in_order(self.images, _VALIDATION_BATCH):
            logits_EBK = network(image_B3HW.to(device))
            right_E = (logits_EBK.argmax(-1).cpu() == labels_B).double().sum(1)
            totals += torch.cat([right_E, torch.tensor([len(labels_B)], dtype=torch.float64)])
        network.train(was_training)
        *right, count = sum_over_processes(totals).tolist()
        return {f"exit_{index + 1}": 100 * value / count for index, value in enumerate(right)}
