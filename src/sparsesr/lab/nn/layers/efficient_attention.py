"""Efficient multi-head attention (ESRT, CVPRW 2022, section 3.3): each token attends only to its segment.

Two implementations: *materialised* builds every score matrix, as the authors' code does; *lean* uses torch's scaled
dot-product attention, which never stores one. Shape suffixes: B batch, M heads, N tokens, D numbers per token,
d numbers per head.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def segment_length(tokens: int, segments: int) -> int:
    """Tokens per segment: ``tokens // segments``, at least 1.

    The remainder forms further, shorter segments: 10 tokens in 4 segments become five of 2. (The authors' code fails
    for fewer tokens than segments; here each token is then its own segment.)
    """
    return max(1, tokens // segments)


class EfficientAttention(nn.Module):
    """Attention within contiguous segments of the token sequence, after a reduction to half the width.

    Scores are scaled by ``(dim / heads)^-0.5``, with the width per head *before* the reduction.
    """

    def __init__(self, dim: int, heads: int, segments: int, materialised: bool = False) -> None:
        super().__init__()
        if dim % (2 * heads) or segments < 1:
            raise ValueError(f"{dim} numbers per token cannot be halved and split into {heads} heads")
        self.heads, self.segments, self.materialised = heads, segments, materialised
        self.scale = (dim / heads) ** -0.5
        self.reduce = nn.Linear(dim, dim // 2, bias=False)
        self.qkv = nn.Linear(dim // 2, dim // 2 * 3, bias=False)
        self.proj = nn.Linear(dim // 2, dim)

    def forward(self, tokens_BND: Tensor) -> Tensor:
        """(B, N, D) -> the same shape, any N from 1."""
        batch, count, _ = tokens_BND.shape
        qkv = self.qkv(self.reduce(tokens_BND)).reshape(batch, count, 3, self.heads, -1)
        parts = qkv.permute(2, 0, 3, 1, 4).split(segment_length(count, self.segments), dim=3)
        attended_BMNd = torch.cat([self._attend(*part) for part in parts], dim=2)
        return self.proj(attended_BMNd.transpose(1, 2).reshape(batch, count, -1))

    def _attend(self, query_BMNd: Tensor, key_BMNd: Tensor, value_BMNd: Tensor) -> Tensor:
        if self.materialised:
            scores_BMNN = query_BMNd @ key_BMNd.transpose(-2, -1) * self.scale
            return scores_BMNN.softmax(dim=-1) @ value_BMNd
        return functional.scaled_dot_product_attention(query_BMNd, key_BMNd, value_BMNd, scale=self.scale)
