"""Which network a state dict belongs to, and its hyper-parameters, from names and shapes alone.

Adding one: a function that builds the module from the shapes, and an entry in ``ARCHITECTURES``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import nn

from sparsesr.errors import ModelError
from sparsesr.lab.export.checkpoint import StateDict
from sparsesr.lab.nn.acnet import SCALES, ACNet, ACNetConfig
from sparsesr.lab.nn.esrt import ESRT, ESRTConfig
from sparsesr.lab.nn.layers.pictures import DIV2K_MEAN_RGB
from sparsesr.lab.nn.smsr import SMSR, SMSRConfig

_NAMES_SHOWN = 3


@dataclass(frozen=True)
class Architecture:
    """A network that checkpoints can be imported for."""

    name: str
    signature: frozenset[str]
    """Names that its state dicts have, and no other network's has all of them."""
    build: Callable[[StateDict], nn.Module]
    """The module with the sizes that the tensors show; IndexError, KeyError or ValueError if they make no sense."""


def build_network(tensors: StateDict, source: str) -> tuple[Architecture, nn.Module]:
    """The network that a state dict belongs to, with those weights, in evaluation mode.

    Args:
        tensors: the state dict.
        source: where it comes from, for messages.

    Raises:
        ModelError: no known network, or tensors are missing, left over, or of the wrong shape.
    """
    architecture = next((known for known in ARCHITECTURES if known.signature <= tensors.keys()), None)
    if architecture is None:
        known = ", ".join(known.name for known in ARCHITECTURES)
        raise ModelError(f"{source}: not a network that sparsesr knows; known architectures: {known}")
    try:
        module = architecture.build(tensors)
    except (IndexError, KeyError, ValueError, ZeroDivisionError, OverflowError) as error:
        raise ModelError(f"{source}: looks like {architecture.name}, but {error}") from None
    _check_fit(module.state_dict(), tensors, f"{source}: not {architecture.name}")
    module.load_state_dict(tensors, strict=True)
    return architecture, module.eval()


def _check_fit(expected: StateDict, given: StateDict, source: str) -> None:
    """Complain about all that ``load_state_dict`` would, in one line."""
    problems = {
        "missing": sorted(expected.keys() - given.keys()),
        "unexpected": sorted(given.keys() - expected.keys()),
        "of another shape": [
            f"{name} {list(given[name].shape)} instead of {list(expected[name].shape)}"
            for name in expected
            if name in given and given[name].shape != expected[name].shape
        ],
    }
    found = [f"{words}: {_first(names)}" for words, names in problems.items() if names]
    if found:
        raise ModelError(f"{source}; {'; '.join(found)}")


def _first(names: list[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(name[:100] for name in names[:_NAMES_SHOWN]) + more


def _build_smsr(tensors: StateDict) -> nn.Module:
    scale = math.isqrt(tensors["tail.0.weight"].shape[0] // 3)
    config = SMSRConfig(
        scale=scale,
        channels=tensors["head.0.weight"].shape[0],
        modules=_count(tensors, "body."),
        layers=tensors["body.0.body.ch_mask"].shape[2],
        mask_channels=tensors["body.0.spa_mask.0.weight"].shape[0],
        attention_channels=tensors["body.0.ca.conv_du.0.weight"].shape[0],
        value_range=_value_range(tensors["sub_mean.bias"]),
    )
    _check_affordable(config, tensors)
    with torch.device("meta"):  # the weights are loaded next: none need to be drawn
        module = SMSR(config)
    return module.to_empty(device="cpu")


def _check_affordable(config: SMSRConfig, tensors: StateDict) -> None:
    """The network that the sizes promise must not be much larger than what the file holds."""
    _check_held(9 * config.channels**2 * config.modules * config.layers, tensors)


def _build_esrt(tensors: StateDict) -> nn.Module:
    """Heads, segments and passes of the low branch show in no shape: they are those of the paper."""
    steps = 2 if "up.0.2.weight" in tensors else 1
    channels, rows = tensors["head.0.weight"].shape[0], tensors["up.0.0.weight"].shape[0]
    hidden = tensors["body.0.encoder1.att.conv_du.0.weight"].shape[0]
    config = ESRTConfig(
        scale=math.isqrt(rows // channels) ** steps,
        channels=channels,
        attention_reduction=channels // hidden,
    )
    with torch.device("meta"):
        module = ESRT(config)
    _check_held(sum(tensor.numel() for tensor in module.state_dict().values()), tensors)
    return module.to_empty(device="cpu")


def _build_acnet(tensors: StateDict) -> nn.Module:
    """One scale has ``upsample.up``, several have ``upsample.up2`` and so on."""
    channels = tensors["conv1_3.0.weight"].shape[0]
    layers = sum(f"conv{layer}_3.0.weight" in tensors for layer in range(1, len(tensors) + 1))
    scales = tuple(scale for scale in SCALES if f"upsample.up{scale}.body.0.weight" in tensors)
    if not scales:
        steps = 2 if "upsample.up.body.2.weight" in tensors else 1
        scales = (math.isqrt(tensors["upsample.up.body.0.weight"].shape[0] // channels) ** steps,)
    with torch.device("meta"):
        module = ACNet(ACNetConfig(scales, channels, layers))
    _check_held(sum(tensor.numel() for tensor in module.state_dict().values()), tensors)
    return module.to_empty(device="cpu")


def _check_held(promised: int, tensors: StateDict) -> None:
    """The weights that the sizes promise must not be far more than the file holds."""
    if promised > 2 * sum(tensor.numel() for tensor in tensors.values()):
        raise ValueError("its sizes do not fit together")


def _count(tensors: Iterable[str], prefix: str) -> int:
    """Entries of a module list: distinct numbers after ``prefix``."""
    return len({name.split(".")[1] for name in tensors if name.startswith(prefix)})


def _value_range(bias: torch.Tensor) -> float:
    """What the mean colour is multiplied with; 255 or 1 in practice, then exactly."""
    found = -float(bias[0]) / DIV2K_MEAN_RGB[0]
    if not 0 < found < 1e6:
        raise ValueError("sub_mean.bias is not a mean colour")
    return float(round(found)) if abs(found - round(found)) < 1e-3 * found else found


ARCHITECTURES = (
    Architecture(
        "smsr",
        frozenset(
            {
                "sub_mean.bias",
                "head.0.weight",
                "body.0.body.ch_mask",
                "body.0.spa_mask.0.weight",
                "body.0.ca.conv_du.0.weight",
                "collect.0.weight",
                "tail.0.weight",
            }
        ),
        _build_smsr,
    ),
    Architecture(
        "esrt",
        frozenset(
            {
                "up.0.0.weight",
                "up.1.conv.weight",
                "head.0.weight",
                "body.0.encoder1.att.conv_du.0.weight",
                "body.0.attention.atten.qkv.weight",
                "tail.1.weight",
            }
        ),
        _build_esrt,
    ),
    Architecture(
        "acnet",
        frozenset({"sub_mean.shifter.bias", "conv1_1.0.weight", "conv1_3.0.weight", "conv22.0.weight"}),
        _build_acnet,
    ),
)
