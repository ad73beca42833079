"""A learned spatial mask (SMSR, CVPR 2021, section 3.2.1): its head, and how a training leads it.

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
    """Predicts two logits per pixel, at half resolution inside: channel 1 says "important", channel 0 not.

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
        """Five nodes; returns the mask: logit 1 > logit 0."""
        first, _, _, second, _, last = cast(list[Any], list(self))  # torch types them as bare modules
        hidden = graph.add_conv(first, inputs, f"{name}.0", activation="relu")
        hidden = graph.add("avg_pool2x2", [hidden], f"{name}.2")
        hidden = graph.add_conv(second, [hidden], f"{name}.3", activation="relu")
        weights = {"weight": last.weight, "bias": last.bias}
        logits = graph.add("conv_transpose2x", [hidden], f"{name}.5", weights)
        return graph.add("spatial_mask", [logits], name)


class SpatialMaskUnit(nn.Module):
    """One spatial mask: which pixels are active. Networks hold one per image, or one per module."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.spa_mask = SpatialMaskHead(channels, hidden)
        self.temperature = 1.0
        #: Which part of a batch that several processes share is seen here; see :func:`gumbel_softmax`.
        self.batch_part: tuple[int, int] = (0, 1)
        #: Every pixel is kept and no mask is computed: how a training may begin.
        self.is_open = False
        #: The head takes a lesson (lab.sparsity.lesson): it is evaluated even while masks are open, and its gradient
        #: stops at its input.
        self.is_taught = False
        #: Training uses the mask of evaluation, without noise; its gradient is that of a soft mask.
        self.is_spatial_mask_hard = False
        #: Gradients of the image reach the head through a hard mask, as if it were soft. Without them the head learns
        #: from the lesson alone, and blocks may be trained by kernels that take the mask as given.
        self.is_straight_through = True
        #: Kept fraction in the last forward pass; differentiable in training.
        self.last_density: Tensor = torch.ones(())
        #: Shares of the channels that are computed at every pixel in the last forward pass, (C, L).
        self.last_dense_CL: Tensor = torch.zeros(1, 1)
        #: The mask of the last forward pass, (B, 1, H, W).
        self.last_mask_B1HW: Tensor | None = None
        #: How much larger the logit of "important" was in the last forward pass, (B, 1, H, W); differentiable
        #: in a lesson. None: masks were open.
        self.last_gap_B1HW: Tensor | None = None

    def forward(self, feat_BCHW: Tensor) -> Tensor | None:
        """The mask (B, 1, H, W), soft or hard; None while masks are open."""
        if self.is_open:
            self.note_open(feat_BCHW)
            return None
        return self.predict(feat_BCHW)

    def predict(self, feat_BCHW: Tensor) -> Tensor:
        """The mask of a forward pass with masks."""
        logits_B2HW = self._logits_B2HW(feat_BCHW)
        mask_B1HW = self._spatial_mask(logits_B2HW)
        self.last_density, self.last_mask_B1HW = mask_B1HW.float().mean(), mask_B1HW.detach()
        gap_B1HW = logit_gap_B1HW(logits_B2HW)
        self.last_gap_B1HW = gap_B1HW if self.is_taught else gap_B1HW.detach()
        return mask_B1HW

    def note_open(self, feat_BCHW: Tensor) -> None:
        """Record a forward pass without a mask; in a lesson the head is evaluated all the same."""
        self.last_density = feat_BCHW.new_ones(())
        self.last_mask_B1HW = feat_BCHW.new_ones(feat_BCHW[:, :1].shape)
        self.last_gap_B1HW = logit_gap_B1HW(self._logits_B2HW(feat_BCHW)) if self.is_taught else None

    def depending_on_lesson(self, output: Tensor) -> Tensor:
        """``output``, unchanged, but dependent on an open mask's lesson.

        Several processes await gradients of what the output depends on, and of nothing else.
        """
        if self.last_gap_B1HW is None or not self.is_open:
            return output
        return output + 0 * self.last_gap_B1HW.mean()

    def hard_dense_CL(self) -> Tensor:
        """Boolean (C, L): channels that are computed at every pixel in evaluation. Here: none."""
        return torch.zeros(1, 1, dtype=torch.bool, device=self._logit_layer.weight.device)

    def limit_dense(self, most: float, followed: float) -> None:
        """Close ``followed`` of the gap to ``most``, the largest share of such channels. Nothing to do here."""

    def freeze_channel_masks(self) -> None:
        """Make channel masks hard. Nothing to do here."""

    def lower(self, graph: Lowering, inputs: Sequence[str], name: str) -> str:
        """Add the nodes of the mask to ``graph``; returns its name."""
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
        return hard_B1HW + (soft_B1HW - soft_B1HW.detach())  # a straight-through estimate

    @property
    def _logit_layer(self) -> nn.ConvTranspose2d:
        return cast(nn.ConvTranspose2d, self.spa_mask[-1])

    @torch.no_grad()
    def shift_gap(self, by: Tensor) -> None:
        """Raise the difference of logits at every pixel: more pixels are important if ``by`` is positive."""
        cast(Tensor, self._logit_layer.bias).add_(torch.stack([-by / 2, by / 2]))

    @torch.no_grad()
    def scale_gap(self, by: Tensor) -> None:
        """Multiply the difference of logits at every pixel."""
        self._logit_layer.weight.mul_(by)
        cast(Tensor, self._logit_layer.bias).mul_(by)

    @torch.no_grad()
    def begin_masks(self, logit_gap: float, channel_gap: float) -> None:
        """Begin the masks anew with these differences of logits for "important" and, of channels, for "dense".

        The last layer of the head enlarges; its kernel begins as the bilinear one, times a small weight for each
        channel. Fresh weights would tell the four phases of a pixel apart far more than they tell pixels apart, and
        what is learned from there are stripes. Small beside the bias, so that no pixel is far from the others: masks
        that begin closed anywhere get no gradient there to open again.
        """
        last = self._logit_layer
        ramp = last.weight.new_tensor([0.5, 1.0, 0.5])
        last.weight.copy_(0.1 * last.weight.mean((2, 3), keepdim=True) * torch.outer(ramp, ramp))
        cast(Tensor, last.bias).copy_(torch.tensor([-logit_gap / 2, logit_gap / 2]))

    @torch.no_grad()
    def copy_masks(self, other: SpatialMaskUnit) -> None:
        """Take over the state of another unit's masks."""
        self.spa_mask.load_state_dict(other.spa_mask.state_dict())


def is_active_B1HW(logits_B2HW: Tensor) -> Tensor:
    """The hard mask: where "important" has the larger logit, strictly."""
    return logits_B2HW[:, 1:] > logits_B2HW[:, :1]


def logit_gap_B1HW(logits_B2HW: Tensor) -> Tensor:
    """The logit of "important" less the other one."""
    return logits_B2HW[:, 1:] - logits_B2HW[:, :1]


def density(mask_B1HW: Tensor, dense_CL: Tensor) -> Tensor:
    """Mean over channels, layers and pixels of ``dense + (1 - dense) * mask``: the fraction *kept*.

    The paper's sparsity loss is the mean of this over the modules. Written in its separable form, which never builds
    a (B, C L, H, W) tensor (the mask and the channel masks are independent factors).
    """
    dense = dense_CL.float().mean()
    return dense + (1 - dense) * mask_B1HW.float().mean()
