"""Model files for tests: an SMSR graph of any width and depth, with random weights, and others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from sparsesr.modelfile.spec import Facts, Graph, ModelFile, Node

MEAN = (0.4488, 0.4371, 0.4040)
PAPER_DENSE_OUT = ((24, 9, 3, 0), (16, 4, 1, 0), (16, 7, 1, 0), (3, 0, 0, 0), (14, 5, 0, 0))
"""Dense channels of each masked layer of the published x2 weights."""


@dataclass
class GraphBuilder:
    """Collects nodes and random tensors; every method returns the name of its result."""

    seed: int = 0
    nodes: list[Node] = field(default_factory=list)
    tensors: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def add(self, op: str, inputs: Sequence[str], output: str, **attrs) -> str:
        self.nodes.append(Node(op, tuple(inputs), output, attrs))
        return output

    def add_weighted(
        self, op: str, inputs: Sequence[str], output: str, shapes: dict[str, tuple], **attrs
    ) -> str:
        weights = {}
        for role, shape in shapes.items():
            weights[role] = f"{output}.{role}"
            self.tensors[weights[role]] = self._random(shape)
        self.nodes.append(Node(op, tuple(inputs), output, attrs, weights))
        return output

    def _random(self, shape: tuple[int, ...]) -> np.ndarray:
        """Scaled so that activations neither vanish nor grow from layer to layer."""
        spread = 0.1 if len(shape) == 1 else np.sqrt(1.5 / np.prod(shape[1:]))
        return (self.rng.standard_normal(shape) * spread).astype(np.float32)

    def conv(
        self,
        inputs: Sequence[str],
        output: str,
        c_in: int,
        c_out: int,
        kernel: int = 3,
        bias: bool = True,
        **attrs,
    ):
        shapes: dict[str, tuple] = {"weight": (c_out, c_in, kernel, kernel)}
        if bias:
            shapes["bias"] = (c_out,)
        op = "masked_conv2d" if "dense_in" in attrs else "conv2d"
        return self.add_weighted(op, inputs, output, shapes, kernel=kernel, **attrs)


def smsr(
    channels: int = 64,
    modules: int = 5,
    layers: int = 4,
    scale: int = 2,
    seed: int = 0,
    dense_out: Sequence[Sequence[int]] | None = None,
    mask_channels: int = 16,
) -> ModelFile:
    """SMSR with random weights.

    ``dense_out[module][layer]`` is the number of dense channels of each masked layer; by default that of the
    published weights, scaled to ``channels``.
    """
    table = dense_out if dense_out is not None else default_dense_out(channels, modules, layers)
    build = GraphBuilder(seed)
    image = build.add("image", (), "image", offset=list(MEAN))
    head = build.conv([image], "head.0", 3, channels, activation="relu")
    skip = feature = build.conv([head], "head.2", channels, channels)
    collected = None
    for index in range(modules):
        feature = _module(build, f"body.{index}", feature, channels, mask_channels, table[index])
        collected = _collect_link(build, index, modules, feature, collected, channels)
    body = build.conv([collected, skip], "collect.2", channels, channels, residual=True)
    tail = build.conv([body], "tail.0", channels, 3 * scale**2)
    build.tensors["tail.0.bias"] += np.repeat(np.float32(MEAN), scale**2)
    upsampled = build.add("bicubic_upsample", [image], "upsampled", scale=scale)
    output = build.add("pixel_shuffle", [tail, upsampled], "output", scale=scale)
    facts = Facts(
        name=f"smsr_x{scale}",
        architecture="smsr",
        scale=scale,
        size_multiple=2,
        license="MIT",
        description="Random weights, for tests.",
        training={"seed": seed},
        parameters=sum(tensor.size for tensor in build.tensors.values()),
    )
    return ModelFile(facts, Graph(image, output, tuple(build.nodes)), build.tensors)


def default_dense_out(channels: int, modules: int, layers: int) -> list[list[int]]:
    rows = [list(PAPER_DENSE_OUT[index % len(PAPER_DENSE_OUT)]) for index in range(modules)]
    return [[dense * channels // 64 for dense in (row + [0] * layers)[:layers]] for row in rows]


def _module(
    build: GraphBuilder, name: str, feature: str, channels: int, mask_channels: int, dense: Sequence[int]
) -> str:
    hidden = build.conv([feature], f"{name}.mask.0", channels, mask_channels, activation="relu")
    pooled = build.add("avg_pool2x2", [hidden], f"{name}.mask.2")
    hidden = build.conv([pooled], f"{name}.mask.3", mask_channels, mask_channels, activation="relu")
    shapes = {"weight": (mask_channels, 2, 3, 3), "bias": (2,)}
    logits = build.add_weighted("conv_transpose2x", [hidden], f"{name}.mask.5", shapes)
    mask = build.add("spatial_mask", [logits], f"{name}.mask")
    maps = _masked_layers(build, name, mask, feature, channels, dense)
    collect = build.conv(
        [mask, *maps],
        f"{name}.collect",
        channels * len(maps),
        channels,
        kernel=1,
        dense_in=list(dense),
        dense_out=channels,
    )
    mean = build.add("global_mean", [collect], f"{name}.mean")
    hidden_width = max(1, channels // 16)
    shapes = {
        "w1": (hidden_width, channels),
        "b1": (hidden_width,),
        "w2": (channels, hidden_width),
        "b2": (channels,),
    }
    attention = build.add_weighted("channel_attention", [mean], f"{name}.ca", shapes)
    return build.add("scale_add", [collect, attention, feature], name)


def _masked_layers(
    build: GraphBuilder, name: str, mask: str, feature: str, channels: int, dense: Sequence[int]
) -> list[str]:
    maps: list[str] = []
    for layer, dense_out in enumerate(dense):
        source, dense_in = (maps[-1], dense[layer - 1]) if maps else (feature, channels)
        maps.append(
            build.conv(
                [mask, source],
                f"{name}.layer{layer}",
                channels,
                channels,
                bias=False,
                activation="relu",
                dense_in=[dense_in],
                dense_out=dense_out,
            )
        )
    return maps


def _collect_link(
    build: GraphBuilder, index: int, modules: int, feature: str, collected: str | None, channels: int
) -> str:
    """One link of the chain that replaces the 1x1 convolution of all module outputs."""
    inputs = [feature] if collected is None else [feature, collected]
    attrs = {} if collected is None else {"accumulate": True}
    activation = "relu" if index == modules - 1 else "none"
    name = f"collect.0.{index}"
    return build.conv(
        inputs, name, channels, channels, kernel=1, bias=index == 0, activation=activation, **attrs
    )


def plain(channels: int = 8, scale: int = 2, seed: int = 0) -> ModelFile:
    """The smallest useful graph: one convolution, pixel shuffle; no mask, no attention."""
    build = GraphBuilder(seed)
    image = build.add("image", (), "image")
    hidden = build.conv([image], "head", 3, channels, activation="leaky_relu", slope=0.1)
    tail = build.conv([hidden], "tail", channels, 3 * scale**2)
    output = build.add("pixel_shuffle", [tail], "output", scale=scale)
    facts = Facts(name=f"plain_x{scale}", architecture="plain", scale=scale)
    return ModelFile(facts, Graph(image, output, tuple(build.nodes)), build.tensors)


def multi_scale(channels: int = 8) -> ModelFile:
    """A trunk with a tail for x2 and one for x3, which share the weights of what follows the shuffle."""
    build = GraphBuilder()
    trunk = build.conv([build.add("image", (), "image")], "trunk", 3, channels, activation="relu")
    outputs: dict[int, str] = {}
    for scale in (2, 3):
        wide = build.conv([trunk], f"up{scale}", channels, channels * scale**2)
        upscaled = build.add("pixel_shuffle", [wide], f"upscaled{scale}", scale=scale)
        outputs[scale] = build.conv([upscaled], f"output{scale}", channels, 3)
    first, second = (node for node in build.nodes if node.output.startswith("output"))
    for role in first.weights:
        del build.tensors[second.weights[role]]
        second.weights[role] = first.weights[role]
    facts = Facts(name="multi", architecture="plain", scale=2)
    return ModelFile(facts, Graph("image", outputs[2], tuple(build.nodes), {3: outputs[3]}), build.tensors)


def balanced(model: ModelFile, keep: int, block: int) -> ModelFile:
    """The model with the smallest weights of its convolutions removed, wherever blocks fit all inputs of a node."""
    tensors, nodes, channels = dict(model.tensors), [], {}
    for node in model.graph.nodes:
        weight = tensors.get(node.weights.get("weight", ""))
        known = [channels.get(name, block) for name in node.inputs]
        is_convolution = node.op in ("conv2d", "masked_conv2d")
        if is_convolution and not any(c % block for c in [weight.shape[1], *known]):
            tensors[node.weights["weight"]] = _kept(weight, keep, block)
            node = replace(node, attrs={**node.attrs, "balanced": [keep, block]})
        channels[node.output] = weight.shape[0] if weight is not None and weight.ndim == 4 else block
        nodes.append(node)
    return replace(model, graph=replace(model.graph, nodes=tuple(nodes)), tensors=tensors)


def _kept(weight: np.ndarray, keep: int, block: int) -> np.ndarray:
    """The ``keep`` largest weights of each block, tap by tap."""
    result = np.zeros_like(weight)
    for index in np.ndindex(weight.shape[0], weight.shape[1] // block, *weight.shape[2:]):
        o, b, y, x = index
        inputs = b * block + np.argsort(-np.abs(weight[o, b * block : (b + 1) * block, y, x]))[:keep]
        result[o, inputs, y, x] = weight[o, inputs, y, x]
    return result
