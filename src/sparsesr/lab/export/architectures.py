"""Detection of the network that a state dict belongs to, from tensor names and shapes."""

from __future__ import annotations

from torch import nn

from sparsesr.errors import ModelError
from sparsesr.lab.export.checkpoint import StateDict
from sparsesr.lab.nn.network import Architecture
from sparsesr.lab.nn.registry import ARCHITECTURES

_NAMES_SHOWN = 3


def build_network(tensors: StateDict, source: str) -> tuple[Architecture, nn.Module]:
    """The network of a state dict with these weights, in evaluation mode.

    Args:
        tensors: the state dict.
        source: its origin, for messages.

    Raises:
        ModelError: no known network, or tensors are missing, unexpected, or of the wrong shape.
    """
    architecture = next((known for known in ARCHITECTURES if known.signature <= tensors.keys()), None)
    if architecture is None:
        known = ", ".join(known.name for known in ARCHITECTURES)
        raise ModelError(f"{source}: not a known network; known architectures: {known}")
    try:
        module = architecture.build(tensors)
    except (IndexError, KeyError, ValueError, ZeroDivisionError, OverflowError) as error:
        raise ModelError(f"{source}: looks like {architecture.name}, but {error}") from None
    _check_fit(module.state_dict(), tensors, f"{source}: not {architecture.name}")
    module.load_state_dict(tensors, strict=True)
    return architecture, module.eval()


def _check_fit(expected: StateDict, given: StateDict, source: str) -> None:
    """Report in one line everything that ``load_state_dict`` would reject."""
    problems = {
        "missing": sorted(expected.keys() - given.keys()),
        "unexpected": sorted(given.keys() - expected.keys()),
        "of another shape": [
            f"{name} {list(given[name].shape)} instead of {list(expected[name].shape)}"
            for name in expected
            if name in given and given[name].shape != expected[name].shape
        ],
    }
    found = [f"{problem}: {_first(names)}" for problem, names in problems.items() if names]
    if found:
        raise ModelError(f"{source}; {'; '.join(found)}")


def _first(names: list[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(name[:100] for name in names[:_NAMES_SHOWN]) + more
