"""Muon optimiser: momentum with orthogonalised updates (Jordan et al., 2024, kellerjordan.github.io/posts/muon).

Every singular direction of a layer moves by the same amount, which helps the small gradients of edges and textures.
Updates are scaled to the size of Adam's (Liu et al., 2025, arXiv:2502.16982, section 2.2), so learning rates carry
over. Convolutions with at least 16 channels in and out use Muon: those between features, and also the last layer for x3
and x4 and the wide layers of mask heads. First layers, the last one for x2, biases and all other weights use Adam.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.optim import Optimizer

_MOMENTUM = 0.95
_ITERATIONS = 5
# Coefficients of the quintic iteration, from the post; they bring singular values to about 0.7..1.2.
_QUINTIC = (3.4445, -4.7750, 2.0315)
_ADAM_RMS = 0.2
_LEAST_CHANNELS = 16
_ADAM_FACTOR = 1 / 3
"""Learning rate of the Adam parameters relative to Muon's."""
_ADAM_EPSILON = 1e-8


def muon_groups(
    parameters: Sequence[Tensor], channel_masks: Sequence[Tensor], channel_factor: float
) -> list[dict[str, Any]]:
    """Parameter groups for :class:`Muon`; groups without parameters are left out."""
    matrices = [p for p in parameters if p.dim() == 4 and min(p.shape[:2]) >= _LEAST_CHANNELS]
    chosen = {id(p) for p in matrices}
    others = [p for p in parameters if id(p) not in chosen]
    groups = [
        {"params": matrices, "lr_factor": 1.0, "is_matrix": True},
        {"params": others, "lr_factor": _ADAM_FACTOR, "is_matrix": False},
        {"params": list(channel_masks), "lr_factor": channel_factor, "is_matrix": False},
    ]
    return [group for group in groups if group["params"]]


class Muon(Optimizer):
    """Muon with decoupled weight decay for groups with ``is_matrix``, Adam without it for the others."""

    def __init__(
        self, groups: list[dict[str, Any]], lr: float, betas: Sequence[float], weight_decay: float = 0.0
    ) -> None:
        super().__init__(groups, {"lr": lr, "betas": tuple(betas), "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient; ``closure`` is ignored."""
        for group in self.param_groups:
            with_gradient = [p for p in group["params"] if p.grad is not None]
            (self._step_matrices if group["is_matrix"] else self._step_adam)(group, with_gradient)

    def _step_matrices(self, group: dict[str, Any], parameters: list[Tensor]) -> None:
        by_shape: dict[tuple[int, ...], list[Tensor]] = defaultdict(list)
        for parameter in parameters:
            by_shape[tuple(parameter.shape)].append(parameter)
        for same_shape in by_shape.values():
            updates = self._updates(same_shape).unbind()
            torch._foreach_mul_(same_shape, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(same_shape, updates, alpha=-group["lr"])

    def _updates(self, parameters: list[Tensor]) -> Tensor:
        """Orthogonalised Nesterov momenta of parameters of one shape, (N, O, I, k, k)."""
        gradients = [_gradient(parameter) for parameter in parameters]
        momenta = self._states(parameters, "momentum")
        torch._foreach_lerp_(momenta, gradients, 1 - _MOMENTUM)
        # In the order of the axes in memory, which torch.stack would not keep.
        nesterov = [value.permute(0, 2, 3, 1) for value in torch._foreach_lerp(gradients, momenta, _MOMENTUM)]
        stacked_NOkkI = torch.stack(nesterov)
        flat_NOK = orthogonalised(stacked_NOkkI.flatten(2))
        scale = _ADAM_RMS * max(flat_NOK.shape[1:]) ** 0.5
        return flat_NOK.mul_(scale).reshape(stacked_NOkkI.shape).permute(0, 1, 4, 2, 3)

    def _step_adam(self, group: dict[str, Any], parameters: list[Tensor]) -> None:
        if not parameters:
            return
        beta1, beta2 = group["betas"]
        gradients = [_gradient(parameter) for parameter in parameters]
        means, squares = self._states(parameters, "mean"), self._states(parameters, "square")
        steps = [self._count_step(parameter) for parameter in parameters]
        torch._foreach_lerp_(means, gradients, 1 - beta1)
        torch._foreach_lerp_(squares, torch._foreach_mul(gradients, gradients), 1 - beta2)
        spreads = torch._foreach_div(squares, [1 - beta2**count for count in steps])
        torch._foreach_sqrt_(spreads)
        torch._foreach_add_(spreads, _ADAM_EPSILON)
        rates = [-group["lr"] / (1 - beta1**count) for count in steps]
        torch._foreach_addcdiv_(parameters, means, spreads, rates)

    def _states(self, parameters: list[Tensor], name: str) -> list[Tensor]:
        """One tensor per parameter, of its shape; zeros at first."""
        for parameter in parameters:
            if name not in self.state[parameter]:
                self.state[parameter][name] = torch.zeros_like(parameter)
        return [self.state[parameter][name] for parameter in parameters]

    def _count_step(self, parameter: Tensor) -> int:
        state = self.state[parameter]
        state["steps"] = state.get("steps", 0) + 1
        return state["steps"]


def _gradient(parameter: Tensor) -> Tensor:
    return cast(Tensor, parameter.grad)


def orthogonalised(matrices_NRC: Tensor) -> Tensor:
    """Approximately the nearest matrices with equal singular values, by Newton-Schulz iteration; (N, R, C).

    Each step multiplies from the left by a polynomial in the Gram matrix. So that small matrix alone is iterated,
    and the product of the polynomials is applied to the large one once.
    """
    if matrices_NRC.shape[1] > matrices_NRC.shape[2]:
        return orthogonalised(matrices_NRC.mT).mT
    a, b, c = _QUINTIC
    x = matrices_NRC / (matrices_NRC.norm(dim=(1, 2), keepdim=True) + 1e-7)
    gram = x @ x.mT
    identity = torch.eye(gram.shape[1], dtype=gram.dtype, device=gram.device)
    product = identity
    for step in range(_ITERATIONS):
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c) + a * identity
        product = polynomial if step == 0 else polynomial @ product
        gram = polynomial @ gram @ polynomial
    return product @ x
