"""Prepared graphs: a network after all passes, masked and dense, in one precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.modelfile.spec import ModelFile
from sparsesr.modelfile.validation import typed_nodes
from sparsesr.runtime.graph.fused_endings import with_fused_ending
from sparsesr.runtime.graph.fused_masks import with_fused_masks
from sparsesr.runtime.graph.fused_residuals import with_fused_residuals
from sparsesr.runtime.graph.fusion import with_fused_activations
from sparsesr.runtime.graph.known_outside import with_known_outside
from sparsesr.runtime.graph.number_types import ALL_F32, MapTypes, types_in_bf16
from sparsesr.runtime.graph.precision_work import precision_work
from sparsesr.runtime.graph.quantised import with_quantised_maps
from sparsesr.runtime.graph.quantised_copies import QuantisedCopy, quantised_copies
from sparsesr.runtime.graph.unmasked import without_masks
from sparsesr.runtime.graph.unreached import with_unreached_pixels
from sparsesr.runtime.graph.zero_fill import MaskZeros, mask_zeros


@dataclass(frozen=True)
class PreparedGraph:
    """A network, masked or dense, after all passes."""

    typed: tuple[TypedNode, ...]
    types: MapTypes
    """Types of the maps that are not in fp32."""
    zeros: Mapping[str, MaskZeros]
    """Zeros at inactive pixels of masked operations, by output."""
    copies: Mapping[str, QuantisedCopy]
    """Quantised copies, by the map that is copied."""


def prepare(
    model: ModelFile, precision: str = "fp32", rest: str = "fp32"
) -> tuple[PreparedGraph, PreparedGraph]:
    """The masked and the dense graph of a network, with as many maps in the precision as possible.

    Args:
        model: the model, at one scale.
        precision: ``fp32``, ``bf16`` or ``int8``.
        rest: of a network in int8, the precision of what has no scales, ``fp32`` or ``bf16``; otherwise ignored.

    Raises:
        ModelError: the graph is not valid.
    """
    return prepared(fused_graph(model), model.graph.output, precision, rest)


def prepared(
    masked: tuple[TypedNode, ...], output: str, precision: str, rest: str
) -> tuple[PreparedGraph, PreparedGraph]:
    """The same, from the graph with everything fused and the name of its output."""
    whole = with_unreached_pixels(with_known_outside(with_fused_masks(masked), output), output)
    typed, types = in_precision(whole, output, precision, rest)
    dense, dense_types = in_precision(without_masks(masked, output), output, precision, rest)
    return (
        PreparedGraph(typed, types, mask_zeros(typed, output), quantised_copies(typed, types)),
        PreparedGraph(dense, dense_types, {}, quantised_copies(dense, dense_types)),
    )


def supported_precisions(model: ModelFile) -> frozenset[str]:
    """The precisions, besides fp32, in which any layer of the network can run; int8 needs scales in the file."""
    return frozenset(precision_work(model, fused_graph(model)))


def fused_graph(model: ModelFile) -> tuple[TypedNode, ...]:
    """The network with everything fused; ModelError if the graph is not valid."""
    typed = with_fused_activations(typed_nodes(model.graph, model.tensors), model.graph.output)
    return with_fused_ending(with_fused_residuals(typed, model.graph.output), model.graph.output)


def in_precision(
    typed: tuple[TypedNode, ...], output: str, precision: str, rest: str
) -> tuple[tuple[TypedNode, ...], MapTypes]:
    """The network in a precision, as in :func:`prepare`, and the types of its maps that are not in fp32."""
    types, others = ALL_F32, precision
    if precision == "int8":
        (typed, types), others = with_quantised_maps(typed, output), rest
    return typed, types_in_bf16(typed, types) if others == "bf16" else types
