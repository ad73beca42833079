"""Reading the sizes of a network from the tensors of a state dict."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from sparsesr.lab.nn.layers.image_layers import DIV2K_MEAN_RGB
from sparsesr.lab.nn.network import StateDict


def check_held(promised: int, tensors: StateDict) -> None:
    """Raise ValueError if a network of these sizes has far more weights (``promised``) than the file holds."""
    if promised > 2 * sum(tensor.numel() for tensor in tensors.values()):
        raise ValueError("its sizes are inconsistent")


def count_entries(tensors: Iterable[str], prefix: str) -> int:
    """Number of entries of a module list: distinct indices after ``prefix``."""
    return len({name.split(".")[1] for name in tensors if name.startswith(prefix)})


def value_range(bias: Tensor) -> float:
    """Factor of the mean colour: 255 or 1 in practice, then exact."""
    found = -float(bias[0]) / DIV2K_MEAN_RGB[0]
    if not 0 < found < 1e6:
        raise ValueError("sub_mean.bias is not a mean colour")
    return float(round(found)) if abs(found - round(found)) < 1e-3 * found else found
