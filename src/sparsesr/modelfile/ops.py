"""The closed set of operations that a model file may use, one registry entry each.

Adding an op is one entry here (with its rules), a native kernel, and a line in the session's table of calls.
"""

from __future__ import annotations

from sparsesr.modelfile import op_rules as rules
from sparsesr.modelfile.attributes import (
    ACCUMULATE,
    ACTIVATION,
    DENSE_IN,
    DENSE_OUT,
    EPSILON,
    FACTORS,
    HEADS,
    KERNEL,
    OFFSET,
    RESIDUAL,
    SCALE,
    SCORE_SCALE,
    SEGMENTS,
    SLOPE,
)
from sparsesr.modelfile.op_schema import FULL, PICTURE_CHANNELS, InputSpec, Kind, OpSchema, Rows, WeightRole
from sparsesr.modelfile.spec import Node


def input_rows(node: Node, a: int, b: int, input_index: int) -> Rows:
    """Rows [lo, hi) of one input that output rows [a, b) of a node depend on, not clipped to the picture.

    Every map counts in its own rows. For global ops (``OPS[node.op].is_global``) and vector inputs the answer
    has no meaning: they need the whole picture.
    """
    return OPS[node.op].rows(node, a, b, input_index)


_SCHEMAS = (
    OpSchema(
        name="image",
        summary="the LR picture, 0..1, minus an offset per channel",
        inputs=(),
        attrs=(OFFSET,),
        weights=(),
        bind=rules.no_sizes,
        infer=rules.image_type,
        rows=rules.same_rows,
        macs=rules.no_macs,
    ),
    OpSchema(
        name="conv2d",
        summary="convolution of the concatenated inputs, stride 1, zero padding; residual adds the last "
        "input after the activation, accumulate before it",
        inputs=(InputSpec("x", Kind.MAP, repeats=True),),
        attrs=(KERNEL, ACTIVATION, SLOPE, RESIDUAL, ACCUMULATE),
        weights=(WeightRole("weight", ("O", "I", "k", "k")), WeightRole("bias", ("O",), optional=True)),
        bind=rules.conv_bind,
        infer=rules.conv_infer,
        rows=rules.conv_rows,
        macs=rules.conv_macs,
    ),
    OpSchema(
        name="masked_conv2d",
        summary="conv2d in full at active pixels; elsewhere only leading dense inputs -> leading dense "
        "outputs, the other outputs being zero",
        inputs=(InputSpec("mask", Kind.MASK, FULL), InputSpec("x", Kind.MAP, FULL, repeats=True)),
        attrs=(KERNEL, ACTIVATION, SLOPE, DENSE_IN, DENSE_OUT),
        weights=(WeightRole("weight", ("O", "I", "k", "k")), WeightRole("bias", ("O",), optional=True)),
        bind=rules.masked_bind,
        infer=rules.masked_infer,
        rows=rules.masked_rows,
        macs=rules.masked_macs,
    ),
    OpSchema(
        name="avg_pool2x2",
        summary="mean of each 2x2 block; an odd last row or column is left out",
        inputs=(InputSpec("x", Kind.MAP),),
        attrs=(),
        weights=(),
        bind=rules.no_sizes,
        infer=rules.halve,
        rows=rules.pool_rows,
        macs=rules.no_macs,
    ),
    OpSchema(
        name="conv_transpose2x",
        summary="transposed 3x3 convolution, stride 2, padding 1, output padding 1: twice the resolution",
        inputs=(InputSpec("x", Kind.MAP),),
        attrs=(),
        weights=(WeightRole("weight", ("I", "O", 3, 3)), WeightRole("bias", ("O",), optional=True)),
        bind=rules.deconv_bind,
        infer=rules.deconv_infer,
        rows=rules.deconv_rows,
        macs=rules.deconv_macs,
        enlarges=True,
    ),
    OpSchema(
        name="spatial_mask",
        summary="active where logit 1 > logit 0",
        inputs=(InputSpec("logits", Kind.MAP, FULL, channels=2),),
        attrs=(),
        weights=(),
        bind=rules.no_sizes,
        infer=rules.mask_type,
        rows=rules.same_rows,
        macs=rules.no_macs,
    ),
    OpSchema(
        name="global_mean",
        summary="mean of each channel over the whole picture",
        inputs=(InputSpec("x", Kind.MAP),),
        attrs=(),
        weights=(),
        bind=rules.no_sizes,
        infer=rules.vector_type,
        rows=rules.same_rows,
        macs=rules.no_macs,
        is_global=True,
    ),
    OpSchema(
        name="channel_attention",
        summary="sigmoid(w2 relu(w1 v + b1) + b2)",
        inputs=(InputSpec("v", Kind.VECTOR),),
        attrs=(),
        weights=(
            WeightRole("w1", ("M", "C")),
            WeightRole("b1", ("M",)),
            WeightRole("w2", ("C", "M")),
            WeightRole("b2", ("C",)),
        ),
        bind=rules.attention_bind,
        infer=rules.vector_type,
        rows=rules.same_rows,
        macs=rules.attention_macs,
        is_global=True,
    ),
    OpSchema(
        name="scale_add",
        summary="x * vector, plus the residual if given",
        inputs=(
            InputSpec("x", Kind.MAP),
            InputSpec("vector", Kind.VECTOR),
            InputSpec("residual", Kind.MAP, optional=True),
        ),
        attrs=(),
        weights=(),
        bind=rules.scale_add_bind,
        infer=rules.same_type,
        rows=rules.same_rows,
        macs=rules.no_macs,
    ),
    OpSchema(
        name="add",
        summary="sum of maps, each times its factor; then the activation, with a slope per channel if given",
        inputs=(InputSpec("x", Kind.MAP, repeats=True),),
        attrs=(FACTORS, ACTIVATION, SLOPE),
        weights=(WeightRole("slopes", ("C",), optional=True),),
        bind=rules.add_bind,
        infer=rules.same_type,
        rows=rules.same_rows,
        macs=rules.no_macs,
        is_eager=True,
    ),
    OpSchema(
        name="bilinear_upsample",
        summary="bilinear, corners on corners (align_corners), to the size of a map that is twice as large",
        inputs=(InputSpec("x", Kind.MAP), InputSpec("like", Kind.MAP)),
        attrs=(),
        weights=(),
        bind=rules.like_bind,
        infer=rules.like_infer,
        rows=rules.like_rows,
        macs=rules.no_macs,
    ),
    OpSchema(
        name="unfold3x3",
        summary="the 3x3 neighbourhood of each pixel as channels 9 c + 3 y + x",
        inputs=(InputSpec("x", Kind.MAP),),
        attrs=(),
        weights=(),
        bind=rules.no_sizes,
        infer=rules.unfold_infer,
        rows=rules.patch_rows,
        macs=rules.no_macs,
    ),
    OpSchema(
        name="fold3x3",
        summary="the adjoint of unfold3x3: sums what neighbourhoods hold for each pixel",
        inputs=(InputSpec("x", Kind.MAP),),
        attrs=(),
        weights=(),
        bind=rules.fold_bind,
        infer=rules.fold_infer,
        rows=rules.patch_rows,
        macs=rules.no_macs,
    ),
    OpSchema(
        name="layer_norm",
        summary="(x - mean) / sqrt(variance + epsilon) * weight + bias over the channels of each pixel",
        inputs=(InputSpec("x", Kind.MAP),),
        attrs=(EPSILON,),
        weights=(WeightRole("weight", ("C",)), WeightRole("bias", ("C",))),
        bind=rules.channels_bind,
        infer=rules.same_type,
        rows=rules.same_rows,
        macs=rules.no_macs,
    ),
    OpSchema(
        name="segment_attention",
        summary="softmax(score_scale q k) v per head, among the pixels of a segment: pixels in raster order "
        "are cut into segments of equal length, and what is left over into further ones",
        inputs=(InputSpec("qkv", Kind.MAP),),
        attrs=(HEADS, SEGMENTS, SCORE_SCALE),
        weights=(),
        bind=rules.segment_bind,
        infer=rules.segment_infer,
        rows=rules.whole_rows,
        macs=rules.segment_macs,
        is_global=True,
    ),
    OpSchema(
        name="pixel_shuffle",
        summary="C s s channels -> C channels at s times the resolution, in torch's channel order; plus the "
        "skip if given",
        inputs=(InputSpec("x", Kind.MAP), InputSpec("skip", Kind.MAP, optional=True)),
        attrs=(SCALE,),
        weights=(),
        bind=rules.shuffle_bind,
        infer=rules.shuffle_infer,
        rows=rules.shuffle_rows,
        macs=rules.no_macs,
        enlarges=True,
    ),
    OpSchema(
        name="bicubic_upsample",
        summary="bicubic, a = -0.75, half-pixel centres, clamped edges, as torch with align_corners False",
        inputs=(InputSpec("image", Kind.MAP, channels=PICTURE_CHANNELS),),
        attrs=(SCALE,),
        weights=(),
        bind=rules.no_sizes,
        infer=rules.enlarge,
        rows=rules.bicubic_rows,
        macs=rules.no_macs,
        enlarges=True,
    ),
)

OPS: dict[str, OpSchema] = {schema.name: schema for schema in _SCHEMAS}
"""Every operation by name."""
