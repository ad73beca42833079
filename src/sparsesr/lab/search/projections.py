"""Sparse projections onto the simplex: sparsemax, and sparsestmax with its growing hole.

Sparsemax: Martins and Astudillo, ICML 2016. Sparsestmax: Shao et al., "SSN", CVPR 2019. Rows are projected together;
gradients treat the support as constant.

Shape suffixes: R rows, K entries of a row; leading axes may be any.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sparsesr.lab.search.recipe import VARIANTS


def radius_at(step: int, steps: int) -> float:
    """Radius of the hole at ``step``, counted from 1 to ``steps``: linear from 0 to just below 1."""
    return (step - 1) / steps


def sparsemax(logits_RK: Tensor) -> Tensor:
    """The nearest point of the simplex to each row."""
    return _sparsemax_within(logits_RK, torch.ones_like(logits_RK, dtype=torch.bool))


def sparsestmax(logits_RK: Tensor, radius: float, variant: str = "code") -> Tensor:
    """The nearest point of the simplex that is at least ``radius`` from its centre, found face by face.

    From ``sqrt((K - 1) / K)`` on, rows are one-hot. Rows in the very centre of the hole (equal logits) move towards
    their first entry; their gradient is sparsemax's.

    Args:
        logits_RK: rows of logits.
        radius: 0 (sparsemax) to 1 (one-hot).
        variant: how to begin where sparsemax alone drops entries: with the whole radius (``code``, the published code,
            sparse earlier) or with the radius that is left on that face (``paper``).
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant {variant!r}: use {', '.join(VARIANTS)}")
    point_RK = sparsemax(logits_RK)
    entries = logits_RK.shape[-1]
    support_RK = point_RK > 0
    radius_R1 = torch.full_like(point_RK[..., :1], radius)
    if variant == "paper":
        radius_R1 = _left_of(
            radius_R1, _centre(support_RK, point_RK.dtype).square().sum(-1, keepdim=True) - 1 / entries
        )
    for _ in range(entries - 1):
        centre_RK = _centre(support_RK, point_RK.dtype)
        is_done_R1 = _is_outside(point_RK, centre_RK, support_RK, radius_R1)
        if is_done_R1.all():
            break
        moved_RK = _sparsemax_within(_pushed_out(point_RK, centre_RK, support_RK, radius_R1), support_RK)
        point_RK = torch.where(is_done_R1, point_RK, moved_RK)
        support_RK = point_RK > 0
        distance_R1 = (_centre(support_RK, point_RK.dtype) - centre_RK).square().sum(-1, keepdim=True)
        radius_R1 = torch.where(is_done_R1, radius_R1, _left_of(radius_R1, distance_R1))
    return point_RK


def _sparsemax_within(logits_RK: Tensor, allowed_RK: Tensor) -> Tensor:
    """Sparsemax over the allowed entries; the others are 0."""
    kept_RK = logits_RK.masked_fill(~allowed_RK, -torch.inf)
    # Relative to the largest, a row with one entry left is exactly one-hot.
    largest_R1 = kept_RK.detach().amax(-1, keepdim=True)
    logits_RK, kept_RK = logits_RK - largest_R1, kept_RK - largest_R1
    sorted_RK = kept_RK.detach().sort(-1, descending=True).values
    rank_K = torch.arange(1, logits_RK.shape[-1] + 1, device=logits_RK.device, dtype=logits_RK.dtype)
    in_support_RK = 1 + rank_K * sorted_RK > sorted_RK.cumsum(-1)
    smallest_R1 = sorted_RK.gather(-1, in_support_RK.sum(-1, keepdim=True) - 1)
    support_RK = kept_RK >= smallest_R1
    sum_R1 = logits_RK.where(support_RK, 0.0).sum(-1, keepdim=True)
    threshold_R1 = (sum_R1 - 1) / support_RK.sum(-1, keepdim=True)
    return (logits_RK - threshold_R1).where(support_RK, 0.0).clamp(min=0)


def _centre(support_RK: Tensor, dtype: torch.dtype) -> Tensor:
    """Centre of the face of each row's support."""
    return support_RK.to(dtype) / support_RK.sum(-1, keepdim=True)


def _left_of(radius_R1: Tensor, square_distance_R1: Tensor) -> Tensor:
    """Radius of the hole on a face whose centre has this squared distance from the hole's centre."""
    return (radius_R1.square() - square_distance_R1).clamp(min=0).sqrt()


def _is_outside(point_RK: Tensor, centre_RK: Tensor, support_RK: Tensor, radius_R1: Tensor) -> Tensor:
    is_corner_R1 = support_RK.sum(-1, keepdim=True) == 1
    distance_R1 = (point_RK - centre_RK).detach().norm(dim=-1, keepdim=True)
    return is_corner_R1 | (distance_R1 >= radius_R1)


def _pushed_out(point_RK: Tensor, centre_RK: Tensor, support_RK: Tensor, radius_R1: Tensor) -> Tensor:
    """The point moved away from the centre to the hole's border; it may leave the simplex."""
    offset_RK = point_RK - centre_RK
    smallest = 8 * torch.finfo(point_RK.dtype).eps
    is_tied_R1 = offset_RK.detach().norm(dim=-1, keepdim=True) < smallest
    # Norms of tied rows are never differentiated: their gradient would be 0/0.
    first_RK = torch.zeros_like(point_RK).scatter(-1, support_RK.int().argmax(-1, keepdim=True), 1.0)
    escape_RK = torch.where(support_RK.sum(-1, keepdim=True) > 1, first_RK - centre_RK, first_RK)
    direction_RK = torch.where(is_tied_R1, escape_RK, offset_RK)
    pushed_RK = centre_RK + radius_R1 * direction_RK / direction_RK.norm(dim=-1, keepdim=True).clamp(
        min=smallest / 8
    )
    same_gradient_RK = point_RK - point_RK.detach()
    return torch.where(is_tied_R1, pushed_RK + same_gradient_RK, pushed_RK)
