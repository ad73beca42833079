"""Multiply-adds of a classifier up to each of its exits, as the authors of RANet count them."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from sparsesr.lab.nn.exit_network import AnyExitNetwork


def multiply_adds_by_exit(network: AnyExitNetwork) -> tuple[int, ...]:
    """Everything that one image needs up to each exit, earlier classifiers and all base features included.

    Counted: convolutions without their biases, linear layers with theirs, one per input of a ReLU, and the window of
    each pooled value. Not counted: batch norm, resizing, concatenation, normalisation.
    """
    network = deepcopy(network).to("meta").eval()
    config = network.config
    total = 0

    def add(module: nn.Module, inputs: Any, output: Tensor) -> None:
        nonlocal total
        total += _of_layer(module, inputs[0], output)

    for module in network.modules():
        if not list(module.children()):
            module.register_forward_hook(add)
    image_B3HW = torch.zeros(1, 3, config.image_px, config.image_px, device="meta")
    progress, counts = network.start(image_B3HW), []
    for _ in range(config.exits):
        _, progress = network.advance(progress)
        counts.append(total)
    return tuple(counts)


def _of_layer(module: nn.Module, given: Tensor, output: Tensor) -> int:
    if isinstance(module, nn.Conv2d):
        per_output = module.in_channels // module.groups * module.kernel_size[0] * module.kernel_size[1]
        return output.numel() * per_output
    if isinstance(module, nn.Linear):
        return module.weight.numel() + module.bias.numel()
    if isinstance(module, nn.ReLU):
        return given.numel()
    if isinstance(module, nn.AvgPool2d | nn.MaxPool2d):
        side = module.kernel_size if isinstance(module.kernel_size, int) else module.kernel_size[0]
        return output.numel() * side * side
    return 0
