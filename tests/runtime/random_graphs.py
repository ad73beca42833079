"""Graphs unlike SMSR, to test the executor against the rules of the operations rather than against one network."""

from __future__ import annotations

import numpy as np

from graphs import GraphBuilder, balanced, plain, smsr
from sparsesr.modelfile.spec import Facts, Graph, ModelFile


def _model(build: GraphBuilder, output: str, scale: int = 2) -> ModelFile:
    facts = Facts(name="mixed", architecture="mixed", scale=scale, size_multiple=2)
    return ModelFile(facts, Graph("image", output, tuple(build.nodes)), build.tensors)


def shared_mask(seed: int = 0) -> ModelFile:
    """One mask for layers on both sides of a barrier; scaling by a mean; masked layers without a dense part, with a
    bias but no dense input, and 1x1 over inputs of which some have no dense channels."""
    build = GraphBuilder(seed)
    image = build.add("image", (), "image", offset=[0.1, 0.2, 0.3])
    f = build.conv([image], "f", 3, 20, activation="leaky_relu", slope=0.2)
    logits = build.conv([f], "logits", 20, 2)
    mask = build.add("spatial_mask", [logits], "mask")
    a = build.conv([mask, f], "a", 20, 20, bias=True, activation="relu", dense_in=[0], dense_out=5)
    b = build.conv([mask, a, f], "b", 40, 20, bias=False, dense_in=[0, 3], dense_out=0)
    mean = build.add("global_mean", [b], "mean")
    g = build.add("scale_add", [b, mean, f], "g")
    c = build.conv([mask, a, g, b], "c", 60, 20, kernel=1, dense_in=[4, 0, 20], dense_out=20)
    half = build.add("avg_pool2x2", [c], "half")
    half_mean = build.add("global_mean", [half], "half_mean")
    half = build.add("scale_add", [half, half_mean, half], "half_scaled")
    up = build.add_weighted("conv_transpose2x", [half], "up", {"weight": (20, 20, 3, 3)})
    tail = build.conv([g, up, c], "tail", 60, 12)
    small = build.conv([image], "small", 3, 3)
    upscaled = build.add("bicubic_upsample", [small], "upscaled", scale=2)
    return _model(build, build.add("pixel_shuffle", [tail, upscaled], "output", scale=2))


def halves(seed: int = 0, scale: int = 3) -> ModelFile:
    """A half-resolution chain whose last map is read with its first, and an HR image as a plain sum of two shuffles."""
    build = GraphBuilder(seed)
    image = build.add("image", (), "image")
    pooled = build.add("avg_pool2x2", [image], "pooled")
    deep = [build.conv([pooled], "deep0", 3, 8, activation="relu")]
    for index in range(3):
        deep.append(build.conv([deep[-1]], f"deep{index + 1}", 8, 8, activation="relu"))
    joined = build.conv([deep[0], deep[-1], deep[0]], "joined", 16, 8, residual=True)
    shapes = {"weight": (8, 16, 3, 3), "bias": (16,)}
    up = build.add_weighted("conv_transpose2x", [joined], "up", shapes)
    far = build.conv([up, image], "far", 19, 3 * scale**2)
    first = build.add("pixel_shuffle", [far], "first", scale=scale)
    near = build.conv([image, far], "near", 3, 3 * scale**2, kernel=1, accumulate=True)
    return _model(build, build.add("pixel_shuffle", [near, first], "output", scale=scale), scale)


def at_every_size(seed: int = 0) -> ModelFile:
    """x4 in two steps, with convolutions at x1/4, x1/2, x1, x2 and x4, and down again.

    Sums that grow along a chain, in and out of order, with factors and slopes; a mean of an upscaled map; a shuffle
    whose skip is not an image; a skip over the whole network.
    """
    build = GraphBuilder(seed)
    image = build.add("image", (), "image", offset=[0.4, 0.4, 0.4])
    f = build.conv([image], "f0", 3, 8, bias=False, activation="relu")
    total = f
    for index in range(1, 4):
        f = build.conv([f], f"f{index}", 8, 8, activation="leaky_relu", slope=-0.5)
        total = build.add("add", [total, f], f"total{index}")
    half = build.add("avg_pool2x2", [f], "half")
    quarter = build.add("avg_pool2x2", [build.conv([half], "half1", 8, 8)], "quarter")
    shapes = {"weight": (8, 8, 3, 3), "bias": (8,)}
    again = build.add_weighted("conv_transpose2x", [quarter], "again_half", shapes)
    again = build.add_weighted("conv_transpose2x", [again], "again", {"weight": (8, 8, 3, 3)})
    attrs = {"factors": [0.1, -0.5, 0.25], "activation": "leaky_relu"}
    mixed = build.add_weighted("add", [total, again, f], "mixed", {"slopes": (8,)}, **attrs)
    wide = build.conv([mixed], "wide", 8, 32, activation="relu")
    twice = build.add("pixel_shuffle", [wide], "twice", scale=2)
    mean = build.add("global_mean", [build.conv([twice], "small", 8, 8, kernel=1)], "mean")
    scaled = build.add("scale_add", [twice, mean, twice], "scaled")
    first = build.conv([scaled], "first", 8, 8, activation="relu")
    joined = build.conv([first, twice, twice], "joined", 16, 8, accumulate=True, activation="relu")
    joined = build.conv([joined, first], "joined1", 8, 8, residual=True)
    down = build.add("avg_pool2x2", [joined], "down")
    direct = build.conv([down, mixed], "direct", 16, 48, kernel=1)
    wide = build.conv([joined], "wider", 8, 12)
    straight = build.add("pixel_shuffle", [direct], "straight", scale=4)
    both = build.add("pixel_shuffle", [wide, straight], "both", scale=2)
    large = build.conv([both], "large", 3, 16, activation="relu")
    large = build.add("add", [large], "large_again", activation="relu")
    upscaled = build.add("bicubic_upsample", [image], "upscaled", scale=4)
    output = build.conv([large, upscaled], "output", 16, 3, residual=True)
    facts = Facts(name="sizes", architecture="sizes", scale=4, size_multiple=4)
    return ModelFile(facts, Graph("image", output, tuple(build.nodes)), build.tensors)


def slopes_per_channel(seed: int = 0) -> ModelFile:
    """Separate activation nodes, most with a slope per channel; those named *_own* cannot be fused.

    The others follow a convolution without another reader: dense, accumulating or masked, with and without dense
    outputs. Channel counts are odd, less than a vector's lanes, and more than a channel block.
    """
    build = GraphBuilder(seed)

    def prelu(source: str, channels: int, name: str, **attrs) -> str:
        attrs = {"activation": "leaky_relu", **attrs}
        return build.add_weighted("add", [source], name, {"slopes": (channels,)}, **attrs)

    image = build.add("image", (), "image", offset=[0.4, 0.4, 0.4])
    f = prelu(build.conv([image], "conv_f", 3, 21), 21, "f")
    g = prelu(build.conv([f, f], "conv_g", 21, 21, accumulate=True), 21, "g", factors=[1.0])
    few = prelu(build.conv([g], "conv_few", 21, 3, bias=False), 3, "few")
    h = prelu(build.conv([g, f], "conv_h", 21, 21, residual=True), 21, "h_own")
    h = prelu(build.conv([h], "conv_twice", 21, 21), 21, "twice_own", factors=[2.0])
    source = build.conv([h], "conv_read", 21, 21, kernel=1)
    h = build.add("add", [prelu(source, 21, "read_own"), source], "sum_own")
    h = build.add("add", [build.conv([h], "conv_relu", 21, 21)], "relu", activation="relu")
    mask = build.add("spatial_mask", [build.conv([g], "logits", 21, 2)], "mask")
    a = prelu(build.conv([mask, h], "conv_a", 21, 70, dense_in=[21], dense_out=17), 70, "a")
    b = prelu(build.conv([mask, a], "conv_b", 70, 21, dense_in=[0], dense_out=5), 21, "b")
    b = prelu(build.conv([mask, b], "conv_c", 21, 21, dense_in=[4], dense_out=0), 21, "c")
    tail = prelu(build.conv([b, few, a], "conv_tail", 94, 12), 12, "tail")
    return _model(build, build.add("pixel_shuffle", [tail], "output", scale=2))


def residual_blocks(seed: int = 0, blocks: int = 3, channels: int = 20) -> ModelFile:
    """A trunk of residual blocks under one mask, as learned, then blocks with unusual ends.

    The first sum reads a map that a long skip reads too; one block activates its branch; one branch has dense outputs,
    one another mask, one a second reader; one sum has factors.
    """
    build = GraphBuilder(seed)

    def block(x: str, name: str, mask: str = "mask", dense_out: int = 0, relu: str = "none", **sums) -> str:
        hidden = build.conv(
            [mask, x], f"{name}.a", channels, channels, activation="relu", dense_in=[channels], dense_out=0
        )
        attrs = {"dense_in": [0 if mask == "mask" else channels], "dense_out": dense_out, "activation": relu}
        branch = build.conv(["mask", hidden], f"{name}.b", channels, channels, **attrs)
        return build.add("add", [branch, x] if name == "block1" else [x, branch], name, **sums)

    image = build.add("image", (), "image", offset=[0.4, 0.4, 0.4])
    small = build.conv([build.add("avg_pool2x2", [image], "pooled")], "small", 3, 8, activation="relu")
    logits = build.add_weighted("conv_transpose2x", [small], "logits", {"weight": (8, 2, 3, 3)})
    mask = build.add("spatial_mask", [logits], "mask")
    head = x = build.conv([image], "head", 3, channels)
    for index in range(blocks):
        x = block(x, f"block{index}")
    x = block(x, "activated", relu="relu")
    x = block(x, "factors_own", factors=[1.0, 0.5])
    x = block(x, "dense_own", dense_out=3)
    other = build.add("spatial_mask", [build.conv([image], "other_logits", 3, 2)], "other_mask")
    x = block(x, "other", mask=other)
    read = build.conv([mask, x], "read", channels, channels, dense_in=[channels], dense_out=0)
    x = build.add("add", [x, read], "read_own")
    x = block(x, "last")
    tail = build.conv([x, head, read], "tail", 3 * channels, 12)
    upscaled = build.add("bicubic_upsample", [image], "upscaled", scale=2)
    return _model(build, build.add("pixel_shuffle", [tail, upscaled], "output", scale=2))


def trunk(seed: int = 0, blocks: int = 2, channels: int = 20, scale: int = 2) -> ModelFile:
    """A trunk of residual blocks under one mask of few pixels, between two convolutions."""
    build = GraphBuilder(seed)
    image = build.add("image", (), "image", offset=[0.4, 0.5, 0.6])
    x = build.conv([image], "head", 3, channels, bias=seed % 2 == 0)
    logits = build.conv([image], "logits", 3, 2)
    build.tensors["logits.bias"] = np.array([0.6, 0.0], np.float32)
    mask = build.add("spatial_mask", [logits], "mask")
    for index in range(blocks):
        hidden = build.conv(
            [mask, x],
            f"block{index}.a",
            channels,
            channels,
            activation="relu",
            dense_in=[channels],
            dense_out=0,
        )
        branch = build.conv([mask, hidden], f"block{index}.b", channels, channels, dense_in=[0], dense_out=0)
        x = build.add("add", [branch, x], f"block{index}")
    tail = build.conv([x], "tail", channels, 3 * scale**2)
    upscaled = build.add("bicubic_upsample", [image], "upscaled", scale=scale)
    return _model(build, build.add("pixel_shuffle", [tail, upscaled], "output", scale=scale), scale)


def tokens(seed: int = 0) -> ModelFile:
    """A transformer at full and half resolution, for any size: pooling drops an odd row or column.

    Attention at two resolutions, one over maps of an earlier segment that later maps overwrite.
    """
    build = GraphBuilder(seed)
    image = build.add("image", (), "image", offset=[0.5, 0.5, 0.5])
    f = build.conv([image], "f", 3, 6, activation="relu")
    low = build.add("avg_pool2x2", [f], "low")
    coarse = build.add("bilinear_upsample", [low, image], "coarse")
    high = build.add("add", [f, coarse], "high", factors=[1.0, -1.0])
    mean = build.add("global_mean", [low], "mean")
    low = build.add("scale_add", [low, mean], "low_scaled")
    qkv = build.conv([low], "low_qkv", 6, 2 * 3 * 5, kernel=1)
    attended = build.add("segment_attention", [qkv], "low_attended", heads=2, segments=3, score_scale=0.7)
    low = build.conv([attended, low], "low_out", 10, 6, residual=True)
    wide = build.add("bilinear_upsample", [low, f], "wide")
    mixed = build.conv([wide, high], "mixed", 12, 6, activation="relu")
    unfolded = build.add("unfold3x3", [mixed], "unfolded")
    normed = build.add_weighted("layer_norm", [unfolded], "normed", {"weight": (54,), "bias": (54,)})
    qkv = build.conv([normed], "qkv", 54, 3 * 9, kernel=1)
    attended = build.add("segment_attention", [qkv], "attended", heads=1, segments=4, score_scale=1.5)
    out = build.conv([attended, unfolded], "projected", 9, 54, kernel=1, residual=True)
    folded = build.add("fold3x3", [out], "folded")
    tail = build.conv([folded, f], "tail", 12, 12)
    output = build.add("pixel_shuffle", [tail], "output", scale=2)
    facts = Facts(name="tokens", architecture="tokens", scale=2, size_multiple=1)
    return ModelFile(facts, Graph("image", output, tuple(build.nodes)), build.tensors)


def searched(seed: int = 0) -> ModelFile:
    """What searched networks consist of: depthwise blocks with and without bias, long chains of 1x1, sums with an
    activation, nearest enlargement by 2 and 3, and sigmoids of maps and of an image; depthwise layers of an image, of a
    masked map and under a fused PReLU."""
    build = GraphBuilder(seed)

    def depthwise(source: str, name: str, channels: int, bias: bool = False, **attrs) -> str:
        shapes: dict[str, tuple] = {"weight": (channels, 1, 3, 3)}
        if bias:
            shapes["bias"] = (channels,)
        return build.add_weighted("depthwise_conv3x3", [source], name, shapes, **attrs)

    image = build.add("image", (), "image", offset=[0.4, 0.4, 0.4])
    colours = depthwise(image, "colours", 3, bias=True)
    x = build.conv([image, colours], "f", 6, 12, activation="relu")
    for index in range(5):
        x = build.conv([x], f"pointwise{index}", 12, 12, kernel=1, activation="relu")
    hidden = build.conv([x], "expanded", 12, 48, kernel=1, activation="relu")
    hidden = depthwise(hidden, "hidden", 48, activation="relu")
    x = build.conv([hidden, x], "projected", 48, 12, kernel=1, accumulate=True, activation="relu")
    mask = build.add("spatial_mask", [build.conv([image], "logits", 3, 2)], "mask")
    masked = build.conv([mask, x], "masked", 12, 12, activation="relu", dense_in=[12], dense_out=0)
    spread = depthwise(masked, "spread", 12, bias=True, activation="leaky_relu", slope=-0.5)
    prelu = depthwise(spread, "depthwise_prelu", 12)
    prelu = build.add_weighted("add", [prelu], "prelu", {"slopes": (12,)}, activation="leaky_relu")
    x = build.add("add", [x, prelu, masked], "sum", factors=[1.0, 0.2, 0.5], activation="relu")
    large = build.add("nearest_upsample", [x], "large", scale=3)
    large = build.conv([large], "large_conv", 12, 12, activation="leaky_relu", slope=0.2)
    small = build.add("sigmoid", [build.conv([x], "small_conv", 12, 27)], "small")
    shuffled = build.add("pixel_shuffle", [small], "shuffled", scale=3)
    larger = build.add("nearest_upsample", [shuffled], "larger", scale=2)
    twice = build.add("nearest_upsample", [large], "twice", scale=2)
    ending = build.conv([twice, larger], "ending", 15, 3)
    facts = Facts(name="searched", architecture="searched", scale=6, size_multiple=1)
    output = build.add("sigmoid", [ending], "output")
    return ModelFile(facts, Graph("image", output, tuple(build.nodes)), build.tensors)


def only_bicubic() -> ModelFile:
    """A graph without convolutions."""
    build = GraphBuilder()
    image = build.add("image", (), "image")
    facts = Facts(name="bicubic", architecture="bicubic", scale=2)
    output = build.add("bicubic_upsample", [image], "output", scale=2)
    return ModelFile(facts, Graph(image, output, tuple(build.nodes)), {})


def random_image(height: int, width: int, dtype: type = np.float32, seed: int = 0) -> np.ndarray:
    """Random pixels (height, width, 3) in any image dtype."""
    values = np.random.default_rng(seed).random((height, width, 3), np.float32)
    return values if dtype is np.float32 else (values * np.iinfo(dtype).max).round().astype(dtype)


def one_of_each() -> dict[str, ModelFile]:
    """All these graphs, by name."""
    return {
        "plain": plain(),
        "shared_mask": shared_mask(),
        "halves": halves(),
        "only_bicubic": only_bicubic(),
        "at_every_size": at_every_size(),
        "tokens": tokens(),
        "searched": searched(),
        "slopes": slopes_per_channel(),
        "residual_blocks": residual_blocks(),
        "trunk": trunk(),
        "balanced": balanced(smsr(32, modules=2, layers=2), 2, 8),
        "balanced_blocks": balanced(residual_blocks(channels=32), 2, 8),
    }
