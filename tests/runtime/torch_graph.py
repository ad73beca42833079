"""Reference interpreter of model graphs in torch; runs whole images."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from sparsesr.modelfile.spec import ModelFile, Node


class TorchGraph:
    """Runs a model on a float image (H, W, 3); masks and vectors of the last run stay available."""

    def __init__(self, model: ModelFile, dense: bool = False, bias: float = 0.0) -> None:
        self.model, self.dense, self.bias = model, dense, bias
        self.values: dict[str, torch.Tensor] = {}

    def __call__(self, image: np.ndarray) -> np.ndarray:
        h, w, _ = image.shape
        multiple, scale = self.model.facts.size_multiple, self.model.facts.scale
        pixels_13HW = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]
        least = 2 if any(node.op == "avg_pool2x2" for node in self.model.graph.nodes) else 1
        rows, columns = (-(-max(side, least) // multiple) * multiple for side in (h, w))
        self.pixels_13HW = F.pad(pixels_13HW, (0, columns - w, 0, rows - h), mode="replicate")
        with torch.no_grad():
            for node in self.model.graph.nodes:
                inputs = [self.values[name] for name in node.inputs]
                self.values[node.output] = getattr(self, node.op)(node, *inputs)
        output = self.values[self.model.graph.output][0].permute(1, 2, 0).numpy()
        return output[: scale * h, : scale * w]

    def weight(self, node: Node, role: str) -> torch.Tensor | None:
        name = node.weights.get(role)
        return None if name is None else torch.from_numpy(np.array(self.model.tensors[name]))

    def image(self, node: Node) -> torch.Tensor:
        return self.pixels_13HW - torch.tensor(node.attrs.get("offset", [0.0] * 3)).view(1, 3, 1, 1)

    def conv2d(self, node: Node, *inputs: torch.Tensor) -> torch.Tensor:
        residual, accumulate = node.attrs.get("residual", False), node.attrs.get("accumulate", False)
        features = inputs[:-1] if residual or accumulate else inputs
        x = torch.cat(features, 1)
        x = F.conv2d(
            x, self.weight(node, "weight"), self.weight(node, "bias"), padding=node.attrs["kernel"] // 2
        )
        x = activate(node, x + inputs[-1] if accumulate else x)
        return x + inputs[-1] if residual else x

    def masked_conv2d(self, node: Node, mask: torch.Tensor, *inputs: torch.Tensor) -> torch.Tensor:
        weight, bias, padding = (
            self.weight(node, "weight"),
            self.weight(node, "bias"),
            node.attrs["kernel"] // 2,
        )
        full = activate(node, F.conv2d(torch.cat(inputs, 1), weight, bias, padding=padding))
        dense_out = node.attrs["dense_out"]
        kept = [
            torch.arange(x.shape[1]) < dense for x, dense in zip(inputs, node.attrs["dense_in"], strict=True)
        ]
        x = torch.cat(inputs, 1) * torch.cat(kept).view(1, -1, 1, 1)
        part = activate(node, F.conv2d(x, weight, bias, padding=padding))
        part = part * (torch.arange(part.shape[1]) < dense_out).view(1, -1, 1, 1)
        return torch.where(mask, full, part)

    def depthwise_conv3x3(self, node: Node, x: torch.Tensor) -> torch.Tensor:
        weight = self.weight(node, "weight")
        return activate(node, F.conv2d(x, weight, self.weight(node, "bias"), padding=1, groups=x.shape[1]))

    def nearest_upsample(self, node: Node, x: torch.Tensor) -> torch.Tensor:
        return F.interpolate(x, scale_factor=float(node.attrs["scale"]), mode="nearest")

    def sigmoid(self, node: Node, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(x)

    def avg_pool2x2(self, node: Node, x: torch.Tensor) -> torch.Tensor:
        return F.avg_pool2d(x, 2)

    def conv_transpose2x(self, node: Node, x: torch.Tensor) -> torch.Tensor:
        weight, bias = self.weight(node, "weight"), self.weight(node, "bias")
        return F.conv_transpose2d(x, weight, bias, stride=2, padding=1, output_padding=1)

    def spatial_mask(self, node: Node, logits: torch.Tensor) -> torch.Tensor:
        return (
            torch.ones_like(logits[:, :1], dtype=torch.bool)
            if self.dense
            else (logits[:, 1:] + self.bias > logits[:, :1])
        )

    def global_mean(self, node: Node, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3))

    def channel_attention(self, node: Node, v: torch.Tensor) -> torch.Tensor:
        hidden = F.relu(F.linear(v, self.weight(node, "w1"), self.weight(node, "b1")))
        return torch.sigmoid(F.linear(hidden, self.weight(node, "w2"), self.weight(node, "b2")))

    def scale_add(
        self, node: Node, x: torch.Tensor, v: torch.Tensor, *residual: torch.Tensor
    ) -> torch.Tensor:
        return sum(residual, x * v[:, :, None, None])

    def add(self, node: Node, *inputs: torch.Tensor) -> torch.Tensor:
        factors = node.attrs.get("factors") or [1.0] * len(inputs)
        total = sum(x * factor for x, factor in zip(inputs, factors, strict=True))
        slopes = self.weight(node, "slopes")
        return activate(node, total) if slopes is None else F.prelu(total, slopes)

    def bilinear_upsample(self, node: Node, x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        return F.interpolate(x, like.shape[2:], mode="bilinear", align_corners=True)

    def unfold3x3(self, node: Node, x: torch.Tensor) -> torch.Tensor:
        taps = F.pad(x, (1, 1, 1, 1)).unfold(2, 3, 1).unfold(3, 3, 1)  # (1, C, H, W, 3, 3)
        return taps.permute(0, 1, 4, 5, 2, 3).flatten(1, 3)

    def fold3x3(self, node: Node, x: torch.Tensor) -> torch.Tensor:
        _, channels, height, width = x.shape
        taps = x.reshape(1, channels // 9, 3, 3, height, width)
        total = torch.zeros(1, channels // 9, height + 2, width + 2)
        for y in range(3):
            for column in range(3):
                total[:, :, y : y + height, column : column + width] += taps[:, :, y, column]
        return total[:, :, 1:-1, 1:-1]

    def layer_norm(self, node: Node, x: torch.Tensor) -> torch.Tensor:
        centred = x - x.mean(1, keepdim=True)
        deviation = (centred.square().mean(1, keepdim=True) + node.attrs.get("epsilon", 1e-5)).sqrt()
        weight, bias = (self.weight(node, role).view(1, -1, 1, 1) for role in ("weight", "bias"))
        return centred / deviation * weight + bias

    def segment_attention(self, node: Node, qkv: torch.Tensor) -> torch.Tensor:
        heads, segments, scale = (node.attrs[name] for name in ("heads", "segments", "score_scale"))
        _, channels, height, width = qkv.shape
        tokens = qkv.reshape(3, heads, channels // (3 * heads), height * width).transpose(2, 3)
        parts = tokens.split(max(1, height * width // segments), dim=2)
        attended = [torch.softmax(q @ k.mT * scale, -1) @ v for q, k, v in parts]
        return torch.cat(attended, 1).transpose(1, 2).reshape(1, channels // 3, height, width)

    def pixel_shuffle(self, node: Node, x: torch.Tensor, *skip: torch.Tensor) -> torch.Tensor:
        return sum(skip, F.pixel_shuffle(x, node.attrs["scale"]))

    def bicubic_upsample(self, node: Node, x: torch.Tensor) -> torch.Tensor:
        return F.interpolate(x, scale_factor=node.attrs["scale"], mode="bicubic", align_corners=False)


def activate(node: Node, x: torch.Tensor) -> torch.Tensor:
    name = node.attrs.get("activation", "none")
    if name == "leaky_relu":
        return F.leaky_relu(x, node.attrs.get("slope", 0.0))
    return F.relu(x) if name == "relu" else x
