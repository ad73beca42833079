"""Inverse of export: recovers the state dict of a network from its model file.

Networks need no code for this. A copy whose weights are numbered 1, 2, 3 ... is lowered as in export; where a number
appears in the graph, the file holds that weight. Constants added by export (a mean colour in a bias) are found by
lowering the copy with zero weights, factors (the range of values) with ones.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sparsesr.errors import ModelError
from sparsesr.lab.export.exporter import lower_network
from sparsesr.lab.nn.masked_network import with_masks
from sparsesr.lab.nn.registry import NETWORKS
from sparsesr.modelfile.operations.attributes import BALANCED, INT8_SCALES
from sparsesr.modelfile.operations.registry import operation_of
from sparsesr.modelfile.spec import Graph, ModelFile, Node

Arrays = dict[str, np.ndarray]
_FOUND_LATER = frozenset({BALANCED.name, INT8_SCALES.name})
_MOST_WEIGHTS = 2**22
"""Numbers up to this, plus a fraction, are still distinct in float32."""


def restore_state(model: ModelFile, candidates: Iterable[Callable[[], nn.Module]] = ()) -> dict[str, Tensor]:
    """State dict of the network in a model file; channels keep the order of the file.

    Channel masks become certain, with the dense channels first. ``candidates`` are tried before the networks of the
    registry.

    Raises:
        ModelError: no network lowers to the same graph, or export merged weights that cannot be separated.
    """
    return _matching(model, [*(("", create) for create in candidates), *NETWORKS.items()])[1]


def restore_network(model: ModelFile) -> tuple[str, dict[str, Tensor]]:
    """Registry name and state dict of the network in a model file.

    Raises:
        ModelError: as :func:`restore_state`.
    """
    return _matching(model, NETWORKS.items())


def _matching(
    model: ModelFile, named: Iterable[tuple[str, Callable[[], nn.Module]]]
) -> tuple[str, dict[str, Tensor]]:
    for name, create in named:
        state = _restored(model, create())
        if state is not None:
            return name, state
    raise ModelError(
        f"{model.facts.name}: no known network matches this model file, or export merged its weights; "
        "start from the checkpoint it was exported from"
    )


def _restored(model: ModelFile, network: nn.Module) -> dict[str, Tensor] | None:
    """The state, or None if the network lowers to another graph."""
    if type(network).__name__.lower() != model.facts.architecture or hasattr(network, "active_scale"):
        return None
    if not _is_described(network, model):
        return None
    network = network.double().eval()
    masked = with_masks(network)
    if masked is not None and not masked.accept_dense_channels(_dense_channels(model.graph)):
        return None
    probe = _Probe(network, model)
    return probe.state() if probe.fits() else None


def _is_described(network: nn.Module, model: ModelFile) -> bool:
    """False if the file says that another network was exported: one of another genotype."""
    facts: dict[str, Any] = getattr(network, "training_facts", {})
    return all(model.facts.training.get(key) == value for key, value in facts.items())


def _dense_channels(graph: Graph) -> dict[str, int]:
    """Number of dense outputs of each masked layer, by name."""
    masked = ((node, operation_of(node).masking) for node in graph.nodes)
    return {node.output: masking.dense_out(node) for node, masking in masked if masking is not None}


def _is_same(one: Graph, other: Graph) -> bool:
    """True if two graphs are equal up to rounding in attributes."""
    return len(one.nodes) == len(other.nodes) and all(
        (a.op, a.inputs, a.output, a.weights) == (b.op, b.inputs, b.output, b.weights)
        and a.attrs.keys() == b.attrs.keys()
        and all(_is_close(a.attrs[key], b.attrs[key]) for key in a.attrs)
        for a, b in zip(one.nodes, other.nodes, strict=True)
    )


def _as_lowered(graph: Graph) -> Graph:
    """The graph without what export finds out about weights afterwards: their pattern, and scales for int8."""

    def plain(node: Node) -> Node:
        return replace(
            node, attrs={key: value for key, value in node.attrs.items() if key not in _FOUND_LATER}
        )

    return replace(graph, nodes=tuple(map(plain, graph.nodes)))


def _is_close(one: object, other: object) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return bool(np.shape(one) == np.shape(other) and np.allclose(one, other, atol=1e-6))  # type: ignore[arg-type]


class _Probe:
    """Lowers a network with chosen weights to find where each weight ends up."""

    def __init__(self, network: nn.Module, model: ModelFile) -> None:
        self.network, self.model = network, model
        self.weights = [
            p for name, p in network.named_parameters() if p.requires_grad and "ch_mask" not in name
        ]
        self.count = sum(weight.numel() for weight in self.weights)
        self.constants = self._lowered(np.zeros(self.count))[1]
        ones = self._lowered(np.ones(self.count))[1]
        self.factors = {name: ones[name] - constant for name, constant in self.constants.items()}
        self.numbers = self._lowered(np.arange(1.0, self.count + 1))

    def _lowered(self, values: np.ndarray) -> tuple[Graph, Arrays]:
        with torch.no_grad():
            offset = 0
            for weight in self.weights:
                part = values[offset : offset + weight.numel()]
                weight.copy_(torch.from_numpy(part.reshape(tuple(weight.shape))))
                offset += weight.numel()
            _, graph, tensors = lower_network(self.network)
            return graph, tensors

    def fits(self) -> bool:
        """True if the graph equals the file's, and each of its numbers comes from one weight."""
        graph, tensors = self.numbers
        shapes, stored = (
            {name: t.shape for name, t in held.items()} for held in (tensors, self.model.tensors)
        )
        if (
            shapes != stored
            or self.count > _MOST_WEIGHTS
            or not _is_same(graph, _as_lowered(self.model.graph))
        ):
            return False
        drawn = np.random.default_rng(0).standard_normal(self.count)
        found = self._lowered(drawn)[1]
        return all(
            np.allclose(
                self._picked(name, drawn) * self.factors[name] + self.constants[name], found[name], atol=1e-5
            )
            for name in tensors
        )

    def _places(self, name: str) -> np.ndarray:
        """For every element of a tensor, the number of its weight from 1, or 0 for a constant."""
        return np.rint(self._weights(name, self.numbers[1][name])).astype(np.int64)

    def _weights(self, name: str, tensor: np.ndarray) -> np.ndarray:
        """Weights from the elements of a lowered tensor, each ``factor * weight + constant``; 0 for constants."""
        factors = self.factors[name].astype(np.float64)
        difference = tensor.astype(np.float64) - self.constants[name]
        return np.divide(difference, factors, out=np.zeros_like(difference), where=factors != 0)

    def _picked(self, name: str, values: np.ndarray) -> np.ndarray:
        places = np.clip(self._places(name), 0, self.count)
        return np.concatenate([[0.0], values])[places]

    def state(self) -> dict[str, Tensor]:
        """The network's state dict with the weights of the file."""
        values = np.zeros(self.count + 1)
        for name, tensor in self.model.tensors.items():
            values[self._places(name)] = self._weights(name, tensor)
        self._lowered(values[1:])
        return {name: value.float() for name, value in copy.deepcopy(self.network.state_dict()).items()}
