"""Interface of networks with learned spatial masks, for training, validation and comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from sparsesr.lab.nn.layers.spatial_mask import SpatialMaskUnit


class MaskedNetwork(nn.Module):
    """Base of networks with masks; a network only has to provide ``mask_units`` and ``upsample``."""

    upsample: Callable[[Tensor], Tensor]
    """The interpolation whose error the network corrects."""

    def mask_units(self) -> Sequence[SpatialMaskUnit]:
        """The masks in order of computation; empty if the network is built without masks."""
        raise NotImplementedError

    def predict_masks(self, image_B3HW: Tensor) -> None:
        """Compute and record the masks of a batch as a forward pass does; cheaper where masks need no features."""
        self(image_B3HW)

    def density(self) -> Tensor:
        """Kept fraction of the last forward pass, averaged over masks: the sparsity loss (SMSR, section 3.3)."""
        return torch.stack([unit.last_density for unit in self.mask_units()]).mean()

    def set_temperature(self, temperature: float) -> None:
        """Set the Gumbel temperature of every spatial and channel mask."""
        for unit in self.mask_units():
            unit.temperature = temperature

    def open_masks(self, is_open: bool = True) -> None:
        """Keep every pixel and channel, or mask them again; training may start with the dense network."""
        for unit in self.mask_units():
            unit.is_open = is_open

    def teach_masks(self, is_taught: bool = True) -> None:
        """Start or end the lesson of the mask heads: they run in open modules too, without gradient to features."""
        for unit in self.mask_units():
            unit.is_taught = is_taught

    def share_batch(self, index: int, parts: int) -> None:
        """Declare that this process sees part ``index`` of ``parts`` of every batch (see ``gumbel_softmax``)."""
        for unit in self.mask_units():
            unit.batch_part = (index, parts)

    def freeze_channel_masks(self) -> None:
        """Make channel masks hard for the rest of the training."""
        for unit in self.mask_units():
            unit.freeze_channel_masks()

    def accept_dense_channels(self, counts: Mapping[str, int]) -> bool:
        """Make the first ``counts[layer]`` output channels of each masked layer dense; False if that is impossible.

        Layers have the names they get at export.
        """
        return not any(counts.values())

    def harden_spatial_masks(self, is_straight_through: bool = True) -> None:
        """Train with the hard spatial masks of evaluation from here on, with or without gradients through them."""
        for unit in self.mask_units():
            unit.is_spatial_mask_hard, unit.is_straight_through = True, is_straight_through


class OneMaskNetwork(MaskedNetwork):
    """Base of networks with one mask, which a head predicts from the image at half resolution; it is optional."""

    mask: SpatialMaskUnit | None

    @property
    def size_multiple(self) -> int:
        """2 with a mask, because the mask head works at half resolution."""
        return 1 if self.mask is None else 2

    def centred(self, image_B3HW: Tensor) -> Tensor:
        """The image less its mean colour, which is what the mask head sees."""
        raise NotImplementedError

    def predict_masks(self, image_B3HW: Tensor) -> None:
        """Compute and record the mask, without the rest of the network."""
        if self.mask is not None:
            self.mask(self.centred(image_B3HW))

    def mask_units(self) -> list[SpatialMaskUnit]:
        """The mask unit, if the network has one."""
        return [] if self.mask is None else [self.mask]

    def depending_on_lesson(self, hr_B3YX: Tensor) -> Tensor:
        """The result, (B, 3, Y, X), which depends on the lesson of the mask head in training."""
        return hr_B3YX if self.mask is None or not self.training else self.mask.depending_on_lesson(hr_B3YX)


def with_masks(network: nn.Module) -> MaskedNetwork | None:
    """The network if it has masks, else None."""
    return network if isinstance(network, MaskedNetwork) and network.mask_units() else None
