"""Gumbel-softmax: a differentiable sample of a discrete choice (Jang et al., ICLR 2017; SMSR, section 3)."""

from __future__ import annotations

import torch
from torch import Tensor


def gumbel_noise_like(logits: Tensor) -> Tensor:
    """Standard Gumbel noise ``-log(-log u)`` in the shape and dtype of ``logits``; always finite."""
    # u = 0 and u = 1 would both give infinities.
    tiny = torch.finfo(torch.float32).tiny
    u = torch.rand(logits.shape, device=logits.device, dtype=torch.float32).clamp_(min=tiny, max=1 - 1e-7)
    return -torch.log(-torch.log(u)).to(logits.dtype)


def gumbel_softmax(logits: Tensor, dim: int, temperature: float, part: tuple[int, int] = (0, 1)) -> Tensor:
    """Soft one-hot sample of ``softmax(logits)`` along ``dim``; sharper for lower ``temperature``.

    ``part`` (i, n): ``logits`` are the i-th of n equal parts of a batch shared by n processes. Each draws the noise of
    the whole batch and uses its part, so n processes see the same numbers as one would.
    """
    if temperature <= 0:
        raise ValueError(f"temperature must be positive, not {temperature}")
    index, parts = part
    noise = gumbel_noise_like(logits.repeat(parts, *(1,) * (logits.dim() - 1)) if parts > 1 else logits)
    return torch.softmax((logits + noise.chunk(parts)[index]) / temperature, dim=dim)
