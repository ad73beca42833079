"""Muon optimiser: momentum with orthogonalised updates (Jordan et al., 2024, kellerjordan.github.io/posts/muon).

Every singular direction of a layer moves by the same amount, which helps the small gradients of edges and textures.
Updates are scaled to the size of Adam's (Liu et al., 2025, arXiv:2502.16982, section 2.2), so learning rates carry
over. Only feature-to-feature convolutions use Muon; first and last layers, biases and mask heads use Adam.
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
    """Muon for groups with ``is_matrix``, Adam for the others."""

    def __init__(self, groups: list[dict[str, Any]], lr: float, betas: Sequence[float]) -> None:
        super().__init__(groups, {"lr": lr, "betas": tuple(betas)})

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
            for parameter, update in zip(same_shape, self._updates(same_shape), strict=True):
                parameter.sub_(update, alpha=group["lr"])

    def _updates(self, parameters: list[Tensor]) -> Tensor:
        """Orthogonalised Nesterov momenta of N parameters of one shape: (N, O, I, k, k)."""
        nesterov: list[Tensor] = []
        for parameter in parameters:
            gradient, momentum = cast(Tensor, parameter.grad), self._running(parameter, "momentum")
            momentum.lerp_(gradient, 1 - _MOMENTUM)
            nesterov.append(gradient.lerp(momentum, _MOMENTUM))
        stacked = torch.stack(nesterov)
        flat_NOK = orthogonalised(stacked.flatten(2))
        scale = _ADAM_RMS * max(flat_NOK.shape[1:]) ** 0.5
        return (scale * flat_NOK).reshape(stacked.shape)

    def _step_adam(self, group: dict[str, Any], parameters: list[Tensor]) -> None:
        beta1, beta2 = group["betas"]
        for parameter in parameters:
            gradient, state = cast(Tensor, parameter.grad), self.state[parameter]
            mean, square = self._running(parameter, "mean"), self._running(parameter, "square")
            steps = state["steps"] = state.get("steps", 0) + 1
            mean.lerp_(gradient, 1 - beta1)
            square.lerp_(gradient.square(), 1 - beta2)
            spread = (square / (1 - beta2**steps)).sqrt_().add_(_ADAM_EPSILON)
            parameter.addcdiv_(mean, spread, value=-group["lr"] / (1 - beta1**steps))

    def _running(self, parameter: Tensor, name: str) -> Tensor:
        """A running average in a parameter's state; starts at zero."""
        state = self.state[parameter]
        if name not in state:
            state[name] = torch.zeros_like(parameter)
        return state[name]


def orthogonalised(matrices_NRC: Tensor) -> Tensor:
    """Approximately the nearest matrices with equal singular values, by Newton-Schulz iteration; (N, R, C)."""
    if matrices_NRC.shape[1] > matrices_NRC.shape[2]:
        return orthogonalised(matrices_NRC.mT).mT
    a, b, c = _QUINTIC
    x = matrices_NRC / (matrices_NRC.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x
