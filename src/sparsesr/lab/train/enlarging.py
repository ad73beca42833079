"""The task of enlarging: patches of LR images, the error against HR, PSNR on whole images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sparsesr.errors import Parameter, UsageError, Wording
from sparsesr.lab.data.several_scales import scale_of_step
from sparsesr.lab.nn.masked_network import with_masks
from sparsesr.lab.nn.network import is_classifier, scales_of, size_multiple
from sparsesr.lab.nn.searched import masked
from sparsesr.lab.train.enlarging_recipe import EnlargingRecipe
from sparsesr.lab.train.feeding import PatchFeed, open_feed
from sparsesr.lab.train.task import Figures
from sparsesr.lab.train.validation import PairValidation


class Enlarging:
    """See :class:`sparsesr.lab.train.task.Task`."""

    def __init__(self, recipe: EnlargingRecipe) -> None:
        self.recipe = recipe

    def open_feed(
        self,
        run_folder: Path,
        part: tuple[int, int],
        device: torch.device,
        report: Callable[[str], None],
    ) -> PatchFeed:
        """Patches; see :func:`sparsesr.lab.train.feeding.open_feed`."""
        return open_feed(self.recipe, run_folder, part, device, report)

    def facts(self) -> dict[str, Any]:
        """Weights that enlarge say all by themselves."""
        return {}

    def adapted(self, network: nn.Module) -> nn.Module:
        """The network, with a mask if the recipe puts one on it."""
        if not self.recipe.masked:
            return network
        with_mask = masked(network)
        if with_mask is None:
            raise UsageError(
                f"{self.recipe.network} is no searched network",
                where=Parameter("recipe.masked"),
                remedy="give the genotype of one, or choose a network that has masks of its own",
            )
        return with_mask

    def check(self, network: nn.Module) -> None:
        """Raise UsageError if the network does not enlarge, or lacks what the recipe trains: a scale, or masks."""
        if is_classifier(network):
            raise UsageError(
                f"{self.recipe.network} classifies",
                where=Parameter("recipe.network"),
                remedy="choose a network that enlarges, or a recipe such as ranet_cifar10",
            )
        scales, known = self.recipe.scales, scales_of(network)
        if scales and set(scales) - set(getattr(network, "scales", ())):
            raise UsageError(f"recipe: {self.recipe.network} does not support the scales {scales}")
        if known and self.recipe.scale not in known:
            own = " and ".join(f"x{scale}" for scale in known)
            raise UsageError(
                f"{self.recipe.network} enlarges {own}, the recipe x{self.recipe.scale}",
                where=Parameter("recipe.network"),
                remedy=Wording(f"give a network of the recipe's scale, or {{}}={known[0]}", "recipe.scale"),
            )
        self._check_masks(network)

    def _check_masks(self, network: nn.Module) -> None:
        has_masks, place = with_masks(network) is not None, Parameter("recipe.sparsity")
        if has_masks and self.recipe.sparsity is None:
            raise UsageError(
                f"{self.recipe.network} has masks, but the recipe does not train them",
                where=place,
                remedy="choose a recipe with masks, or a network without",
            )
        if self.recipe.sparsity is not None and not has_masks:
            raise UsageError(
                f"{self.recipe.network} has no masks to train",
                where=place,
                remedy=Wording(
                    "choose a network with masks (a searched one gets some by {}=true), or set {}=none",
                    "recipe.masked",
                    "recipe.sparsity",
                ),
            )

    def start_step(self, network: nn.Module, step: int) -> None:
        """Set the scale of the step, if the network has several."""
        recipe = self.recipe
        if hasattr(network, "active_scale"):
            scale = scale_of_step(recipe.scales, recipe.seed, step) if recipe.scales else recipe.scale
            network.active_scale = scale  # type: ignore[assignment]

    def loss(self, output: Tensor, target: Tensor) -> tuple[Tensor, Figures]:
        """The recipe's loss of images on 0..1; logged is ``l1`` on 0..255."""
        difference_B3YX = output - target
        l1 = difference_B3YX.abs().mean()
        fidelity = l1 if self.recipe.loss == "l1" else _OTHER_LOSSES[self.recipe.loss](difference_B3YX)
        return fidelity, {"l1": 255 * l1.detach()}

    def validation(self, network: nn.Module, part: tuple[int, int]) -> PairValidation | None:
        """Whole images of the validation folder."""
        recipe = self.recipe
        if not recipe.validation:
            return None
        return PairValidation(
            recipe.validation, recipe.scale, *part, recipe.validation_sigma, size_multiple(network)
        )


def _psnr_loss(difference_B3YX: Tensor) -> Tensor:
    """Minus the mean PSNR of the images, over 255: about as steep as an L1 loss of 8/255.

    One grey level is added to every error, or flat patches, which are exact anyway, would count most.
    """
    mean_squares_B = difference_B3YX.square().mean((1, 2, 3)) + (1 / 255) ** 2
    return 10 / 255 * mean_squares_B.log10().mean()


_OTHER_LOSSES: dict[str, Callable[[Tensor], Tensor]] = {
    "l2": lambda difference_B3YX: difference_B3YX.square().mean(),
    "psnr": _psnr_loss,
}
