"""Prepared graphs: a network after all passes, masked and dense."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.modelfile.spec import ModelFile
from sparsesr.modelfile.validation import type_graph
from sparsesr.runtime.graph.fused_residuals import with_fused_residuals
from sparsesr.runtime.graph.fusion import with_fused_activations
from sparsesr.runtime.graph.number_types import bf16_maps
from sparsesr.runtime.graph.unmasked import without_masks
from sparsesr.runtime.graph.zero_fill import MaskZeros, mask_zeros


@dataclass(frozen=True)
class PreparedGraph:
    """A network, masked or dense, after all passes."""

    typed: tuple[TypedNode, ...]
    bf16: frozenset[str]
    """Names of the maps in bf16."""
    zeros: Mapping[str, MaskZeros]
    """Zeros at inactive pixels of masked operations, by output."""

    def in_fp32(self) -> PreparedGraph:
        """The same graph with every map in fp32."""
        return replace(self, bf16=frozenset[str]())


def prepare(model: ModelFile) -> tuple[PreparedGraph, PreparedGraph]:
    """The masked and the dense graph of a network, with as many maps in bf16 as possible.

    Raises:
        ModelError: the graph is not valid.
    """
    output = model.graph.output
    shapes = {name: tensor.shape for name, tensor in model.tensors.items()}
    masked = with_fused_activations(type_graph(model.graph, shapes), output)
    masked = with_fused_residuals(masked, output)
    dense = without_masks(masked, output)
    return (
        PreparedGraph(masked, bf16_maps(masked), mask_zeros(masked, output)),
        PreparedGraph(dense, bf16_maps(dense), {}),
    )
