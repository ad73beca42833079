"""Registry: the closed set of operations of model files, and queries about nodes that entries answer."""

from __future__ import annotations

from sparsesr.modelfile.operations.add import ADD
from sparsesr.modelfile.operations.channel_attention import CHANNEL_ATTENTION, GLOBAL_MEAN, SCALE_ADD
from sparsesr.modelfile.operations.conv2d import CONV2D
from sparsesr.modelfile.operations.conv_transpose2x import CONV_TRANSPOSE2X
from sparsesr.modelfile.operations.depthwise_conv3x3 import DEPTHWISE_CONV3X3
from sparsesr.modelfile.operations.facts import Rows
from sparsesr.modelfile.operations.image import IMAGE
from sparsesr.modelfile.operations.layer_norm import LAYER_NORM
from sparsesr.modelfile.operations.masked_conv2d import MASKED_CONV2D
from sparsesr.modelfile.operations.nearest_upsample import NEAREST_UPSAMPLE
from sparsesr.modelfile.operations.operation import Operation
from sparsesr.modelfile.operations.outside_mask import MEAN_OUTSIDE_MASK, SCALE_ADD_OUTSIDE_MASK
from sparsesr.modelfile.operations.patches import FOLD3X3, UNFOLD3X3
from sparsesr.modelfile.operations.quantise import QUANTISE
from sparsesr.modelfile.operations.reached_pixels import FOLDED_CONVS, REACHED_CONV2D
from sparsesr.modelfile.operations.resizing import (
    AVG_POOL2X2,
    BICUBIC_UPSAMPLE,
    BILINEAR_UPSAMPLE,
    PIXEL_SHUFFLE,
)
from sparsesr.modelfile.operations.segment_attention import SEGMENT_ATTENTION
from sparsesr.modelfile.operations.sigmoid import SIGMOID
from sparsesr.modelfile.operations.spatial_mask import SPATIAL_MASK
from sparsesr.modelfile.operations.upsampled_mask import UPSAMPLED_MASK
from sparsesr.modelfile.operations.value_types import Kind
from sparsesr.modelfile.spec import Graph, Node

OPERATIONS: dict[str, Operation] = {
    entry.name: entry
    for entry in (
        IMAGE,
        CONV2D,
        MASKED_CONV2D,
        DEPTHWISE_CONV3X3,
        AVG_POOL2X2,
        CONV_TRANSPOSE2X,
        SPATIAL_MASK,
        GLOBAL_MEAN,
        CHANNEL_ATTENTION,
        SCALE_ADD,
        ADD,
        BILINEAR_UPSAMPLE,
        UNFOLD3X3,
        FOLD3X3,
        LAYER_NORM,
        SEGMENT_ATTENTION,
        NEAREST_UPSAMPLE,
        SIGMOID,
        PIXEL_SHUFFLE,
        BICUBIC_UPSAMPLE,
    )
}
"""Every operation of model files, by name."""
RUNTIME_OPERATIONS = {
    entry.name: entry
    for entry in (
        QUANTISE,
        UPSAMPLED_MASK,
        MEAN_OUTSIDE_MASK,
        SCALE_ADD_OUTSIDE_MASK,
        REACHED_CONV2D,
        FOLDED_CONVS,
    )
}
"""Those that the runtime adds to a prepared graph; model files may not have them."""


def operation_of(node: Node) -> Operation:
    """Return the entry of a node's operation."""
    return RUNTIME_OPERATIONS.get(node.op) or OPERATIONS[node.op]


def input_rows(node: Node, a: int, b: int, input_index: int) -> Rows:
    """Return the rows [lo, hi) of one input that output rows [a, b) of a node depend on, not clipped to the image.

    Every map counts in its own rows. The result is meaningless for vector inputs and for operations that see the
    whole image: they need all of it.
    """
    return operation_of(node).rows(node, a, b, input_index)


def mask_of(node: Node) -> str | None:
    """Return the mask, or the set grown from one, that selects the active pixels of a node; None without one."""
    return operation_of(node).mask_of(node)


def feature_inputs(node: Node) -> tuple[str, ...]:
    """Return the input maps that a node multiplies by its weights."""
    return operation_of(node).features(node)


def mask_names(graph: Graph) -> list[str]:
    """Return the masks of a graph, in execution order."""
    return [node.output for node in graph.nodes if operation_of(node).produces is Kind.MASK]
