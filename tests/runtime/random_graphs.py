"""Graphs unlike SMSR, to hold the executor to the rules of the ops rather than to one network."""

from __future__ import annotations

import numpy as np

from graphs import GraphBuilder
from sparsesr.modelfile.spec import Facts, Graph, ModelFile


def _model(build: GraphBuilder, output: str, scale: int = 2) -> ModelFile:
    facts = Facts(name="mixed", architecture="mixed", scale=scale, size_multiple=2)
    return ModelFile(facts, Graph("image", output, tuple(build.nodes)), build.tensors)


def shared_mask(seed: int = 0) -> ModelFile:
    """One mask for layers before and after a barrier; a mean as the scale; masked layers without dense part,
    with a bias but no dense input, and 1x1 over windows of which some give nothing."""
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
    enlarged = build.add("bicubic_upsample", [small], "enlarged", scale=2)
    return _model(build, build.add("pixel_shuffle", [tail, enlarged], "output", scale=2))


def halves(seed: int = 0, scale: int = 3) -> ModelFile:
    """Half-resolution chains that read themselves far apart, an HR picture as a plain sum of two shuffles."""
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


def only_bicubic() -> ModelFile:
    """No convolution at all."""
    build = GraphBuilder()
    image = build.add("image", (), "image")
    facts = Facts(name="bicubic", architecture="bicubic", scale=2)
    output = build.add("bicubic_upsample", [image], "output", scale=2)
    return ModelFile(facts, Graph(image, output, tuple(build.nodes)), {})


def picture(height: int, width: int, dtype: type = np.float32, seed: int = 0) -> np.ndarray:
    """Random pixels of any type of picture."""
    values = np.random.default_rng(seed).random((height, width, 3), np.float32)
    return values if dtype is np.float32 else (values * np.iinfo(dtype).max).round().astype(dtype)
