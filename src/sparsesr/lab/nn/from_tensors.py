"""Reads the sizes of a network off the tensors of a state dict."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from sparsesr.lab.nn.layers.pictures import DIV2K_MEAN_RGB
from sparsesr.lab.nn.network import StateDict


def check_held(promised: int, tensors: StateDict) -> None:
    """The weights that the sizes promise must not be far more than the file holds."""
    if promised > 2 * sum(tensor.numel() for tensor in tensors.values()):
        raise ValueError("its sizes do not fit together")


def count_entries(tensors: Iterable[str], prefix: str) -> int:
    """Entries of a module list: distinct numbers after ``prefix``."""
    return len({name.split(".")[1] for name in tensors if name.startswith(prefix)})


def value_range(bias: Tensor) -> float:
    """What the mean colour is multiplied with; 255 or 1 in practice, then exactly."""
    found = -float(bias[0]) / DIV2K_MEAN_RGB[0]
    if not 0 < found < 1e6:
        raise ValueError("sub_mean.bias is not a mean colour")
    return float(round(found)) if abs(found - round(found)) < 1e-3 * found else found
