"""Multiply-adds as the SMSR paper counts them (CVPR 2021): its published figures come out of this rule."""

from __future__ import annotations

from fractions import Fraction

from sparsesr.modelfile.operations.facts import Macs
from sparsesr.modelfile.operations.registry import mask_of, operation_of
from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.modelfile.spec import ModelFile
from sparsesr.modelfile.validation import type_graph


def paper_macs(model: ModelFile, height: int, width: int, density: float = 1.0) -> int:
    """Multiply-adds of layers without a mask, plus ``density`` times those with one.

    Args:
        model: the model.
        height: rows of the LR image.
        width: its columns.
        density: :func:`paper_density`; 1 gives the dense count.
    """
    gated = always = 0
    for typed in type_graph(model.graph, {name: tensor.shape for name, tensor in model.tensors.items()}):
        macs = _macs_per_image(typed, operation_of(typed.node).macs(typed), height, width)
        if mask_of(typed.node) is not None:
            gated += macs
        else:
            always += macs
    return round(always + Fraction(density) * gated)


def _macs_per_image(typed: TypedNode, macs: Macs, height: int, width: int) -> int:
    """Counted at the resolution of the output; vectors, which have none, are free."""
    resolution = typed.output.resolution
    return macs.active * resolution.of(height) * resolution.of(width) if resolution is not None else 0
