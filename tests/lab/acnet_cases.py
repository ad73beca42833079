"""Narrow ACNets, and multiply-adds of a network in torch."""

from __future__ import annotations

import torch
from torch import nn

from sparsesr.lab.nn.acnet import ACNet, ACNetConfig


def small_acnet(*scales: int, channels: int = 8, layers: int = 4, seed: int = 0) -> ACNet:
    """In evaluation mode, with weights large enough to keep maps from vanishing."""
    torch.manual_seed(seed)
    module = ACNet(ACNetConfig(scales or (2,), channels, layers)).eval()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "shifter" not in name:
                parameter.mul_(1.5)
    return module


def repeating_acnet(*scales: int) -> ACNet:
    """A network that repeats pixels; colours above and below the mean use separate channels."""
    module = ACNet(ACNetConfig(scales, channels=6, layers=3)).eval()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "shifter" not in name:
                parameter.zero_()
        signs = torch.cat([torch.eye(3), -torch.eye(3)])
        module.conv1_3[0].weight[:, :, 1, 1] = signs
        for layer in (module.conv18_2, module.conv19_2, module.conv20, module.conv21):
            layer[0].weight[:, :, 1, 1] = torch.eye(6)
        module.conv22[0].weight[:, :, 1, 1] = signs.T
        for layer in module.upsample.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight[:, :, 1, 1] = torch.eye(6).repeat_interleave(len(layer.weight) // 6, dim=0)
    return module


def layer_number(key: str, prefix: str) -> int:
    """The layer's number in a name such as ``conv18_1.0.weight``; 99 for other names."""
    return int(key.removeprefix(prefix).split("_")[0].split(".")[0]) if key.startswith(prefix) else 99


def multiply_adds(module: nn.Module, height: int, width: int) -> dict[str, int]:
    """Multiply-adds of all convolutions except frozen ones, by the first part of their path."""
    counts: dict[str, int] = {}

    def count(name: str):
        def hook(conv: nn.Conv2d, inputs, output: torch.Tensor) -> None:
            key = name.split(".")[0]
            counts[key] = counts.get(key, 0) + conv.weight.numel() * output.shape[2] * output.shape[3]

        return hook

    hooks = [
        part.register_forward_hook(count(name))
        for name, part in module.named_modules()
        if isinstance(part, nn.Conv2d) and part.weight.requires_grad
    ]
    with torch.no_grad():
        module(torch.zeros(1, 3, height, width))
    for hook in hooks:
        hook.remove()
    return counts
