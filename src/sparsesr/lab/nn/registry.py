"""The trainable networks by name. Adding one: write its file, add its entries to ``NETWORKS``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from sparsesr.lab.nn.acnet import SCALES, ACNet, ACNetConfig
from sparsesr.lab.nn.esrt import ESRT, ESRTConfig
from sparsesr.lab.nn.skim import SkimConfig, SkimTrunk
from sparsesr.lab.nn.smsr import SMSR, SMSRConfig


def _smsr(**settings: int) -> nn.Module:
    return SMSR(SMSRConfig(**settings))


def _esrt(**settings: int) -> nn.Module:
    return ESRT(ESRTConfig(**settings))


def _skim_trunk(**settings: int) -> nn.Module:
    return SkimTrunk(SkimConfig(**settings))


def _acnet(*scales: int) -> nn.Module:
    return ACNet(ACNetConfig(scales))


# Training is faster on 0..1 than on the paper's 0..255; it is the same family of functions, and import knows both.
_SMSR = {"value_range": 1}
# Half the width, so about a quarter of the multiply-adds.
_SMALL = {**_SMSR, "channels": 32, "mask_channels": 8, "attention_channels": 4}

# Widths that fill vectors and tiles. Multiply-adds per LR pixel at x2, all pixels active: 0.23 M and 0.60 M.
_SKIM_FAST = {"channels": 32, "blocks": 12}
_SKIM_BEST = {"channels": 64, "blocks": 8}

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "smsr_x2": partial(_smsr, scale=2, **_SMSR),
    "smsr_x3": partial(_smsr, scale=3, **_SMSR),
    "smsr_x4": partial(_smsr, scale=4, **_SMSR),
    "smsr_s_x2": partial(_smsr, scale=2, **_SMALL),
    "smsr_s_x3": partial(_smsr, scale=3, **_SMALL),
    "smsr_s_x4": partial(_smsr, scale=4, **_SMALL),
    **{f"skim_fast_dense_x{scale}": partial(_skim_trunk, scale=scale, **_SKIM_FAST) for scale in (2, 3, 4)},
    **{f"skim_best_dense_x{scale}": partial(_skim_trunk, scale=scale, **_SKIM_BEST) for scale in (2, 3, 4)},
    "esrt_x2": partial(_esrt, scale=2),
    "esrt_x3": partial(_esrt, scale=3),
    "esrt_x4": partial(_esrt, scale=4),
    "acnet_x2": partial(_acnet, 2),
    "acnet_x3": partial(_acnet, 3),
    "acnet_x4": partial(_acnet, 4),
    "acnet_multi": partial(_acnet, *SCALES),
    "acnet_noise_x2": partial(_acnet, 2),
}


def create(name: str) -> nn.Module:
    """Build the network of that name with fresh weights; KeyError lists the names there are."""
    if name not in NETWORKS:
        raise KeyError(f"no network named {name!r}; there are: {', '.join(NETWORKS)}")
    return NETWORKS[name]()
