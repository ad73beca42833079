"""Learned spatial mask (SMSR, CVPR 2021, section 3.2.1): its head and its state during training.

Shape suffixes: B batch, C channels, H and W rows and columns, L masked layers, 1 a broadcast axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from sparsesr.lab.nn.lowering import Lowering
from sparsesr.lab.sparsity.gumbel import gumbel_softmax


class SpatialMaskHead(nn.Sequential):
    """Predicts two logits per pixel, internally at half resolution: channel 1 for "active", channel 0 for "inactive".

    Height and width must be even.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__(
            nn.Conv2d(channels, hidden, 3, padding=1),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Conv2d(hidden, hidden, 3, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(hidden, 2, 3, stride=2, padding=1, output_padding=1),
        )

    def lower(self, graph: Lowering, inputs: Sequence[str], name: str) -> str:
        """Add five nodes; returns the mask, which is active where logit 1 > logit 0."""
        first, _, _, second, _, last = cast(list[Any], list(self))  # torch types them as bare modules
        hidden = graph.add_conv(first, inputs, f"{name}.0", activation="relu")
        hidden = graph.add("avg_pool2x2", [hidden], f"{name}.2")
        hidden = graph.add_conv(second, [hidden], f"{name}.3", activation="relu")
        weights = {"weight": last.weight, "bias": last.bias}
        logits = graph.add("conv_transpose2x", [hidden], f"{name}.5", weights)
        return graph.add("spatial_mask", [logits], name)


class SpatialMaskUnit(nn.Module):
    """One spatial mask. A network has one for the whole image, or one per module."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.spa_mask = SpatialMaskHead(channels, hidden)
        self.temperature = 1.0
        #: Part of a batch shared by several processes that this process sees; see :func:`gumbel_softmax`.
        self.batch_part: tuple[int, int] = (0, 1)
        #: Every pixel is kept and no mask is computed, as at the start of a training.
        self.is_open = False
        #: The head takes a lesson (lab.sparsity.lesson): it is evaluated even while masks are open, and its gradient
        #: stops at its input.
        self.is_taught = False
        #: Training uses the hard mask of evaluation, without noise, with the gradient of a soft mask.
        self.is_spatial_mask_hard = False
        #: Gradients of the image loss reach the head through a hard mask as if it were soft. Without them the head
        #: learns only from the lesson, and native kernels, which treat the mask as constant, can train the blocks.
        self.is_straight_through = True
        #: Kept fraction in the last forward pass; differentiable in training.
        self.last_density: Tensor = torch.ones(())
        #: Weight of "dense" per channel and layer in the last forward pass, (C, L).
        self.last_dense_CL: Tensor = torch.zeros(1, 1)
        #: Mask of the last forward pass, (B, 1, H, W).
        self.last_mask_B1HW: Tensor | None = None
        #: Logit gap ("active" minus "inactive") of the last forward pass, (B, 1, H, W); differentiable in a lesson.
        #: None: masks were open.
        self.last_gap_B1HW: Tensor | None = None

    def forward(self, feat_BCHW: Tensor) -> Tensor | None:
        """Mask (B, 1, H, W), soft or hard; None while masks are open."""
        if self.is_open:
            self.note_open(feat_BCHW)
            return None
        return self.predict(feat_BCHW)

    def predict(self, feat_BCHW: Tensor) -> Tensor:
        """Compute and record the mask of a forward pass."""
        logits_B2HW = self._logits_B2HW(feat_BCHW)
        mask_B1HW = self._spatial_mask(logits_B2HW)
        self.last_density, self.last_mask_B1HW = mask_B1HW.float().mean(), mask_B1HW.detach()
        gap_B1HW = logit_gap_B1HW(logits_B2HW)
        self.last_gap_B1HW = gap_B1HW if self.is_taught else gap_B1HW.detach()
        return mask_B1HW

    def note_open(self, feat_BCHW: Tensor) -> None:
        """Record a forward pass without a mask; in a lesson the head is still evaluated."""
        self.last_density = feat_BCHW.new_ones(())
        self.last_mask_B1HW = feat_BCHW.new_ones(feat_BCHW[:, :1].shape)
        self.last_gap_B1HW = logit_gap_B1HW(self._logits_B2HW(feat_BCHW)) if self.is_taught else None

    def depending_on_lesson(self, output: Tensor) -> Tensor:
        """``output``, unchanged, but connected to the mask head in the autograd graph while the head is taught.

        With several processes, DDP expects gradients only of parameters that the output depends on, and without
        straight-through gradients it depends on the head through the lesson alone.
        """
        gap_B1HW = self.last_gap_B1HW
        if self.batch_part[1] == 1 or gap_B1HW is None or not gap_B1HW.requires_grad:
            return output
        return output + 0 * gap_B1HW.mean()

    def hard_dense_CL(self) -> Tensor:
        """Boolean (C, L): channels computed at every pixel in evaluation; none here."""
        return torch.zeros(1, 1, dtype=torch.bool, device=self._logit_layer.weight.device)

    def limit_dense(self, most: float, followed: float) -> None:
        """Lower a dense share above ``most`` by the fraction ``followed`` of the excess; nothing to do here."""

    def freeze_channel_masks(self) -> None:
        """Make channel masks hard; nothing to do here."""

    def lower(self, graph: Lowering, inputs: Sequence[str], name: str) -> str:
        """Add the nodes of the mask; returns its name."""
        return self.spa_mask.lower(graph, inputs, name)

    def _logits_B2HW(self, feat_BCHW: Tensor) -> Tensor:
        return self.spa_mask(feat_BCHW.detach() if self.is_taught else feat_BCHW)

    def _spatial_mask(self, logits_B2HW: Tensor) -> Tensor:
        if self.training and not self.is_spatial_mask_hard:
            return gumbel_softmax(logits_B2HW, 1, self.temperature, self.batch_part)[:, 1:]
        hard_B1HW = is_active_B1HW(logits_B2HW).to(logits_B2HW.dtype)
        if not (self.training and self.is_straight_through):
            return hard_B1HW
        soft_B1HW = torch.sigmoid(logit_gap_B1HW(logits_B2HW))
        return hard_B1HW + (soft_B1HW - soft_B1HW.detach())  # straight-through estimator

    @property
    def _logit_layer(self) -> nn.ConvTranspose2d:
        return cast(nn.ConvTranspose2d, self.spa_mask[-1])

    @torch.no_grad()
    def shift_gap(self, by: Tensor) -> None:
        """Add ``by`` to the logit gap of every pixel; a positive value activates more pixels."""
        cast(Tensor, self._logit_layer.bias).add_(torch.stack([-by / 2, by / 2]))

    @torch.no_grad()
    def scale_gap(self, by: Tensor) -> None:
        """Multiply the logit gap of every pixel by ``by``."""
        self._logit_layer.weight.mul_(by)
        cast(Tensor, self._logit_layer.bias).mul_(by)

    @torch.no_grad()
    def start_masks(self, logit_gap: float, channel_gap: float) -> None:
        """Restart the masks with these logit gaps for "active" and, of channels, for "dense".

        The last layer of the head upscales; its kernel starts as a bilinear one, times a small weight per channel.
        Fresh weights would separate the four upscaling phases far more than pixels, and training from there learns
        stripes. The weights are small beside the bias, so that all pixels have similar gaps: a mask that starts closed
        somewhere gets no gradient to open there.
        """
        last = self._logit_layer
        ramp = last.weight.new_tensor([0.5, 1.0, 0.5])
        last.weight.copy_(0.1 * last.weight.mean((2, 3), keepdim=True) * torch.outer(ramp, ramp))
        cast(Tensor, last.bias).copy_(torch.tensor([-logit_gap / 2, logit_gap / 2]))

    @torch.no_grad()
    def copy_masks(self, other: SpatialMaskUnit) -> None:
        """Copy the state of another unit's masks."""
        self.spa_mask.load_state_dict(other.spa_mask.state_dict())


def is_active_B1HW(logits_B2HW: Tensor) -> Tensor:
    """Hard mask: True where the logit of "active" is strictly larger."""
    return logits_B2HW[:, 1:] > logits_B2HW[:, :1]


def logit_gap_B1HW(logits_B2HW: Tensor) -> Tensor:
    """Logit of "active" minus logit of "inactive"."""
    return logits_B2HW[:, 1:] - logits_B2HW[:, :1]


def density(mask_B1HW: Tensor, dense_CL: Tensor) -> Tensor:
    """Mean over channels, layers and pixels of ``dense + (1 - dense) * mask``: the fraction *kept*.

    The paper's sparsity loss is the mean of this over the modules. The formula is separable, as mask and channel masks
    are independent factors, so no (B, C L, H, W) tensor is built.
    """
    dense = dense_CL.float().mean()
    return dense + (1 - dense) * mask_B1HW.float().mean()
