"""How sure an exit is of its answer.

Shape suffixes: N images, K classes; dots stand for any further dimensions.
"""

from __future__ import annotations

import torch
from torch import Tensor


def confidence(logits: Tensor) -> Tensor:
    """(..., K) -> (...) float64: log-odds of the largest softmax probability.

    This ranks images as the probability does (RANet, CVPR 2020). But in float32 many probabilities are exactly 1, and a
    threshold between them is impossible; log-odds keep them apart.
    """
    largest, answer = logits.double().max(-1, keepdim=True)
    others = logits.double().scatter(-1, answer, -torch.inf)
    return (largest - others.logsumexp(-1, keepdim=True)).squeeze(-1)


def probability(confidences: Tensor) -> Tensor:
    """The softmax probability that a confidence stands for."""
    return confidences.sigmoid()
