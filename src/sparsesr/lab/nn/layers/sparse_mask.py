"""Sparse mask module of SMSR (CVPR 2021, section 3.2): spatial mask, channel masks, masked convolutions.

Shape suffixes: B batch, C channels, H and W rows and columns, L masked layers, 1 a broadcast axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from sparsesr.lab.nn.layers.channel_attention import ChannelAttention
from sparsesr.lab.nn.layers.relu_chain import can_train_natively, relu_chain
from sparsesr.lab.nn.layers.spatial_mask import SpatialMaskUnit, density
from sparsesr.lab.nn.lowering import Lowering
from sparsesr.lab.sparsity.gumbel import gumbel_softmax


class MaskedConvolutions(nn.Module):
    """L masked 3x3 convolutions and a 1x1 convolution of all their outputs ("sparse mask block", section 3.2.2).

    ``ch_mask`` holds two logits per channel and layer: index 0 for *dense* (computed at every pixel), index 1 for
    *sparse* (computed at active pixels). The input of layer l is split by the channel mask of layer l - 1.
    """

    def __init__(self, channels: int, layers: int) -> None:
        super().__init__()
        self.ch_mask = nn.Parameter(torch.rand(1, channels, layers, 2))
        self.body = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(layers)
        )
        self.collect = nn.Conv2d(channels * layers, channels, 1)
        self.is_channel_mask_frozen = False

    @property
    def layers(self) -> int:
        """Number of masked convolutions."""
        return len(self.body)

    def is_dense_CL(self) -> Tensor:
        """Boolean (C, L): dense output channels of each layer. A tie counts as sparse."""
        logits = self.ch_mask.detach()[0]
        return logits[..., 0] > logits[..., 1]

    @torch.no_grad()
    def fix_dense(self, counts: Sequence[int]) -> None:
        """Make the first ``counts[l]`` channels of layer l dense with certainty, and the others sparse."""
        for layer, count in enumerate(counts):
            is_dense_C = torch.arange(self.ch_mask.shape[1], device=self.ch_mask.device) < count
            gap_C = torch.where(is_dense_C, 1.0, -1.0).to(self.ch_mask)
            self.ch_mask[0, :, layer, 0], self.ch_mask[0, :, layer, 1] = gap_C, -gap_C

    @torch.no_grad()
    def limit_dense(self, most: float, followed: float) -> None:
        """Lower the logits of "dense" if their share exceeds ``most``, by the fraction ``followed`` of the excess."""
        gap_CL = self.ch_mask[0, ..., 0] - self.ch_mask[0, ..., 1]
        excess = followed * torch.quantile(gap_CL.flatten().float(), 1 - most).clamp_min(0)
        self.ch_mask.add_(torch.stack([-excess / 2, excess / 2]))

    def dense_shares_CL(self, temperature: float) -> Tensor:
        """(C, L) weight of "dense" per channel: soft and random in training, 0 or 1 in evaluation or when frozen."""
        if self.training and not self.is_channel_mask_frozen:
            return gumbel_softmax(self.ch_mask, dim=3, temperature=temperature)[0, ..., 0]
        return self.is_dense_CL().to(self.ch_mask.dtype)

    def forward(self, feat_BCHW: Tensor, mask_B1HW: Tensor, dense_CL: Tensor) -> Tensor:
        """Apply the block with soft (training) or 0/1 (evaluation) masks."""
        is_hard = not self.training or self.is_channel_mask_frozen
        if is_hard and self._trains_natively(feat_BCHW, mask_B1HW) and not self.is_dense_CL().any():
            return self.collect(self._maps_BKHW(feat_BCHW, mask_B1HW))
        outputs: list[Tensor] = []
        feat = feat_BCHW
        for layer, conv in enumerate(self.body):
            if layer == 0:  # all inputs are dense
                dense = dense_CL[:, 0].reshape(1, -1, 1, 1)
                feat = conv(feat) * (mask_B1HW + dense * (1 - mask_B1HW))
            elif is_hard:
                feat = self._convolve_hard(conv, feat, layer, mask_B1HW)
            else:
                feat = self._convolve_soft(conv, feat, layer, mask_B1HW, dense_CL)
            feat = functional.relu(feat)
            outputs.append(feat)
        return self.collect(torch.cat(outputs, dim=1))

    def forward_open(self, feat_BCHW: Tensor) -> Tensor:
        """The block with every pixel and channel kept."""
        if self._trains_natively(feat_BCHW, None):
            return self.collect(self._maps_BKHW(feat_BCHW, None))
        outputs: list[Tensor] = []
        feat = feat_BCHW
        for conv in self.body:
            feat = functional.relu(conv(feat))
            outputs.append(feat)
        return self.collect(torch.cat(outputs, dim=1))

    def _trains_natively(self, feat_BCHW: Tensor, mask_B1HW: Tensor | None) -> bool:
        return self.training and can_train_natively(feat_BCHW, mask_B1HW)

    def _maps_BKHW(self, feat_BCHW: Tensor, mask_B1HW: Tensor | None) -> Tensor:
        weights = [cast(Tensor, conv.weight) for conv in self.body]
        return relu_chain(feat_BCHW, mask_B1HW, weights)  # type: ignore[call-arg]

    def _convolve_soft(
        self, conv: nn.Module, feat: Tensor, layer: int, mask_B1HW: Tensor, dense_CL: Tensor
    ) -> Tensor:
        """Dense inputs contribute to dense outputs everywhere; all other contributions are limited to active pixels."""
        dense_in, dense_out = (dense_CL[:, index].reshape(1, -1, 1, 1) for index in (layer - 1, layer))
        from_dense, from_sparse = conv(feat * dense_in), conv(feat * (1 - dense_in))
        # dense + (1 - dense) M with one multiplication less
        return from_dense * (mask_B1HW + dense_out * (1 - mask_B1HW)) + from_sparse * mask_B1HW

    def _convolve_hard(self, conv: Any, feat: Tensor, layer: int, mask_B1HW: Tensor) -> Tensor:
        """As :meth:`_convolve_soft` for hard channel masks, at little more than the cost of one convolution.

        Active pixels use all inputs; inactive ones only dense inputs for dense outputs. These few outputs are appended
        to the convolution as rows whose weights of sparse inputs are zero.
        """
        is_dense_in, is_dense_out = self.is_dense_CL()[:, layer - 1 : layer + 1].T
        if not (is_dense_in.any() and is_dense_out.any()):
            return conv(feat) * mask_B1HW
        rows = is_dense_out.nonzero()[:, 0]
        outside_weight = conv.weight[rows] * is_dense_in.reshape(1, -1, 1, 1)
        both = functional.conv2d(feat, torch.cat([conv.weight, outside_weight]), padding=1)
        under_mask, outside = both.split([len(conv.weight), len(rows)], dim=1)
        return (under_mask * mask_B1HW).index_add(1, rows, outside * (1 - mask_B1HW))

    def lower(self, graph: Lowering, inputs: Sequence[str], name: str) -> str:
        """Add the nodes of the block; ``inputs`` are mask and features. Dense channels are moved to the front.

        The outputs of the final 1x1 convolution keep their order, so the new order does not show outside the block.
        """
        mask, feature = inputs
        orders, dense = self._dense_first()
        channels = self.collect.out_channels
        columns, dense_in = torch.arange(channels), channels
        maps: list[str] = []
        for layer, conv in enumerate(cast(list[Any], list(self.body))):
            weight = conv.weight[orders[layer]][:, columns]
            sizes = {"dense_in": [dense_in], "dense_out": dense[layer]}
            feature = graph.add(
                "masked_conv2d",
                [mask, feature],
                f"{name}.layer{layer}",
                {"weight": weight},
                kernel=3,
                activation="relu",
                **sizes,
            )
            maps.append(feature)
            columns, dense_in = orders[layer], dense[layer]
        collected = torch.cat([layer * channels + order for layer, order in enumerate(orders)])
        weights = {"weight": self.collect.weight[:, collected], "bias": self.collect.bias}
        sizes = {"dense_in": dense, "dense_out": channels}
        return graph.add("masked_conv2d", [mask, *maps], f"{name}.collect", weights, kernel=1, **sizes)

    def _dense_first(self) -> tuple[list[Tensor], list[int]]:
        """Per layer, the channel order with dense ones first, and the number of dense ones."""
        is_dense_CL = self.is_dense_CL().cpu()
        orders = [
            torch.cat([column.nonzero()[:, 0], (~column).nonzero()[:, 0]]) for column in is_dense_CL.unbind(1)
        ]
        return orders, [int(column.sum()) for column in is_dense_CL.unbind(1)]


class SparseMaskModule(SpatialMaskUnit):
    """Sparse mask module (SMM): mask head, masked convolutions, channel attention and residual connection."""

    def __init__(self, channels: int, layers: int, mask_channels: int, attention_channels: int) -> None:
        super().__init__(channels, mask_channels)
        self.body = MaskedConvolutions(channels, layers)
        self.ca = ChannelAttention(channels, attention_channels)

    def forward(self, feat_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape; H and W even."""
        if feat_BCHW.shape[2] % 2 or feat_BCHW.shape[3] % 2:
            raise ValueError(f"height and width must be even, not {tuple(feat_BCHW.shape[2:])}")
        if self.is_open:
            self.note_open(feat_BCHW)
            return self.depending_on_lesson(self.ca(self.body.forward_open(feat_BCHW)) + feat_BCHW)
        mask_B1HW = self.predict(feat_BCHW)
        dense_CL = self.body.dense_shares_CL(self.temperature).to(mask_B1HW.dtype)
        self.last_density, self.last_dense_CL = density(mask_B1HW, dense_CL), dense_CL.detach()
        return self.depending_on_lesson(self.ca(self.body(feat_BCHW, mask_B1HW, dense_CL)) + feat_BCHW)

    def hard_dense_CL(self) -> Tensor:
        """Boolean (C, L): channels computed at every pixel in evaluation."""
        return self.body.is_dense_CL()

    def limit_dense(self, most: float, followed: float) -> None:
        """Lower the share of dense channels towards ``most``, unless channel masks are frozen."""
        if not self.body.is_channel_mask_frozen:
            self.body.limit_dense(most, followed)

    def freeze_channel_masks(self) -> None:
        """Make channel masks hard for the rest of the training, which halves the work of masked layers."""
        self.body.is_channel_mask_frozen = True
        self.body.ch_mask.requires_grad_(False)

    def lower(self, graph: Lowering, inputs: Sequence[str], name: str) -> str:
        """Add the nodes of the evaluation form; returns the name of the output."""
        (feature,) = inputs
        mask = self.spa_mask.lower(graph, [feature], f"{name}.mask")
        collected = self.body.lower(graph, [mask, feature], name)
        attention = self.ca.lower_vector(graph, collected, name)
        return graph.add("scale_add", [collected, attention, feature], name)

    @torch.no_grad()
    def start_masks(self, logit_gap: float, channel_gap: float) -> None:
        """See the base class; channel logit gaps start around ``channel_gap``."""
        super().start_masks(logit_gap, channel_gap)
        noise = torch.rand_like(self.body.ch_mask) - 0.5
        centre = torch.tensor([channel_gap / 2, -channel_gap / 2], device=noise.device)
        self.body.ch_mask.copy_(centre + 0.2 * noise)

    @torch.no_grad()
    def copy_masks(self, other: SpatialMaskUnit) -> None:
        """Copy the state of another unit's masks, including channel masks."""
        super().copy_masks(other)
        self.body.ch_mask.copy_(cast(SparseMaskModule, other).body.ch_mask)
