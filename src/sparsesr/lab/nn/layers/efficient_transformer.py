"""Efficient transformer of ESRT (CVPRW 2022, section 3.3): one encoder layer on 3x3 neighbourhoods as tokens.

Shape suffixes: B batch, C channels, H and W rows and columns, N tokens (H W, row by row), D = 9 C numbers per token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from sparsesr.lab.nn.layers.efficient_attention import EfficientAttention
from sparsesr.lab.nn.lowering import Lowering


def unfold_tokens(feat_BCHW: Tensor) -> Tensor:
    """The zero-padded 3x3 neighbourhood of every pixel, channel by channel: (B, N, D)."""
    return functional.unfold(feat_BCHW, 3, padding=1).transpose(1, 2)


def fold_tokens(tokens_BND: Tensor, height: int, width: int) -> Tensor:
    """Put neighbourhoods back and *sum* overlaps (9 inside, 6 at edges, 4 in corners)."""
    return functional.fold(tokens_BND.transpose(1, 2), (height, width), 3, padding=1)


class TokenPerceptron(nn.Module):
    """Two linear layers with a quarter of the width between them."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, dim // 4)
        self.fc2 = nn.Linear(dim // 4, dim)

    def forward(self, tokens_BND: Tensor) -> Tensor:
        """(B, N, D) -> the same shape."""
        return self.fc2(functional.relu(self.fc1(tokens_BND)))


class EfficientTransformer(nn.Module):
    """Attention and perceptron on the 3x3 neighbourhoods of a map, each with pre-normalisation and residual."""

    def __init__(self, channels: int, heads: int, segments: int) -> None:
        super().__init__()
        dim = 9 * channels
        self.atten = EfficientAttention(dim, heads, segments)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = TokenPerceptron(dim)

    def forward(self, feat_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape; overlaps of the neighbourhoods are summed."""
        tokens_BND = unfold_tokens(feat_BCHW)
        tokens_BND = tokens_BND + self.atten(self.norm1(tokens_BND))
        tokens_BND = tokens_BND + self.mlp(self.norm2(tokens_BND))
        return fold_tokens(tokens_BND, *feat_BCHW.shape[-2:])

    def lower(self, graph: Lowering, inputs: Sequence[str], name: str) -> str:
        """Add the nodes of all steps: tokens are pixels, linear layers are 1x1 convolutions.

        Tokens are unfolded a second time for the sum after the attention, which costs less than keeping them.
        """
        (feature,) = inputs
        atten = self.atten
        tokens = graph.add("unfold3x3", [feature], f"{name}.tokens")
        tokens = _lower_norm(graph, self.norm1, tokens, f"{name}.norm1")
        tokens = _lower_linear(graph, atten.reduce, [tokens], f"{name}.reduce")
        qkv = _lower_linear(graph, atten.qkv, [tokens], f"{name}.qkv")
        sizes: dict[str, Any] = {"heads": atten.heads, "segments": atten.segments, "score_scale": atten.scale}
        attended = graph.add("segment_attention", [qkv], f"{name}.atten", **sizes)
        again = graph.add("unfold3x3", [feature], f"{name}.again")
        tokens = _lower_linear(graph, atten.proj, [attended, again], f"{name}.proj", residual=True)
        hidden = _lower_norm(graph, self.norm2, tokens, f"{name}.norm2")
        hidden = _lower_linear(graph, self.mlp.fc1, [hidden], f"{name}.fc1", activation="relu")
        tokens = _lower_linear(graph, self.mlp.fc2, [hidden, tokens], f"{name}.fc2", residual=True)
        return graph.add("fold3x3", [tokens], name)


def _lower_linear(
    graph: Lowering, linear: nn.Linear, inputs: Sequence[str], name: str, **attrs: bool | str
) -> str:
    weights = {"weight": linear.weight[:, :, None, None], "bias": linear.bias}
    return graph.add("conv2d", inputs, name, weights, kernel=1, **attrs)


def _lower_norm(graph: Lowering, norm: nn.LayerNorm, tokens: str, name: str) -> str:
    weights = {"weight": norm.weight, "bias": norm.bias}
    return graph.add("layer_norm", [tokens], name, weights, epsilon=norm.eps)
