"""Small ESRT networks, and a reference implementation of the whole network from named tensors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from sparsesr.lab.nn.esrt import ESRT, ESRTConfig
from sparsesr.lab.nn.layers.weighted import Weight


def small_esrt(seed: int = 0, **settings) -> ESRT:
    """In evaluation mode, 16 channels by default; scalars that start at 1 are random, so that each one matters."""
    torch.manual_seed(seed)
    module = ESRT(ESRTConfig(**{"channels": 16, "attention_reduction": 8, **settings})).eval()
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, Weight):
                part.scale.uniform_(0.4, 1.4)
            if isinstance(part, torch.nn.LayerNorm):
                part.weight.uniform_(0.5, 1.5)
                part.bias.uniform_(-0.2, 0.2)
            if isinstance(part, torch.nn.PReLU):
                part.weight.uniform_(0.05, 0.5)
    return module


class Reference:
    """ESRT written after its specification; reads a state dict in the authors' layout."""

    def __init__(self, state: dict[str, Tensor], scale: int, heads: int = 8) -> None:
        self.t, self.scale, self.heads = state, scale, heads

    def __call__(self, image: Tensor) -> Tensor:
        f0 = self.conv("head.0", image)
        x1 = self.hpb("body.0.encoder1", f0)
        x2 = self.hpb("body.0.encoder2", x1)
        x3 = self.hpb("body.0.encoder3", x2)
        f = self.conv("body.0.reduce", torch.cat([x1, x2, x3], 1))
        o = self.conv("body.0.alise", self.et("body.0.attention", f))
        f = self.t["body.0.weight1.scale"] * f0 + self.t["body.0.weight2.scale"] * o
        sr = self.conv("tail.1", self.up("tail.0", self.conv("reduce", f)))
        return sr + self.conv("up.1.conv", self.up("up.0", f0)).relu()

    def conv(self, name: str, x: Tensor) -> Tensor:
        weight = self.t[f"{name}.weight"]
        return functional.conv2d(x, weight, self.t.get(f"{name}.bias"), padding=weight.shape[-1] // 2)

    def up(self, name: str, x: Tensor) -> Tensor:
        for index in (0, 2) if self.scale == 4 else (0,):
            x = functional.pixel_shuffle(
                self.conv(f"{name}.{index}", x), 2 if self.scale == 4 else self.scale
            )
        return x

    def ca(self, name: str, x: Tensor) -> Tensor:
        v = x.mean((2, 3), keepdim=True)
        v = self.conv(f"{name}.conv_du.2", self.conv(f"{name}.conv_du.0", v).relu())
        return x * v.sigmoid()

    def ru(self, name: str, x: Tensor) -> Tensor:
        hidden = functional.prelu(self.conv(f"{name}.conv", x), self.t[f"{name}.relu.weight"])
        q1, q2 = (self.t[f"{name}.weight{i}.scale"] for i in (1, 2))
        return q1 * x + q2 * self.conv(f"{name}.conv1", hidden)

    def arfb(self, name: str, x: Tensor) -> Tensor:
        p2, p3, p4, p5 = (self.t[f"{name}.weight{i}.scale"] for i in (2, 3, 4, 5))
        u1 = self.ru(f"{name}.layer1", x)
        u2 = self.ru(f"{name}.layer2", u1)
        c = self.conv(f"{name}.alise.conv", torch.cat([p2 * u2, p3 * u1], 1)).relu()
        return p4 * x + p5 * self.conv(f"{name}.layer4.conv", self.ca(f"{name}.atten", c)).relu()

    def hpb(self, name: str, x: Tensor) -> Tensor:
        def wide(low):
            return functional.interpolate(low, x.shape[2:], mode="bilinear", align_corners=True)

        a = self.arfb(f"{name}.encoder", x)
        low = functional.avg_pool2d(a, 2)
        high = a - wide(low)
        for _ in range(5):
            low = self.arfb(f"{name}.decoder_low", low)
        y = torch.cat([wide(low), self.arfb(f"{name}.decoder_high", high)], 1)
        y = self.ca(f"{name}.att", self.conv(f"{name}.alise2.conv", y).relu())
        return self.arfb(f"{name}.alise", y) + x

    def et(self, name: str, f: Tensor) -> Tensor:
        """Token by token, neighbourhood by neighbourhood."""
        _, channels, height, width = f.shape
        padded = functional.pad(f[0], (1, 1, 1, 1))
        places = [(y, x) for y in range(height) for x in range(width)]
        tokens = torch.stack([padded[:, y : y + 3, x : x + 3].reshape(-1) for y, x in places])
        tokens = tokens + self.emha(f"{name}.atten", self.norm(f"{name}.norm1", tokens))
        hidden = self.linear(f"{name}.mlp.fc1", self.norm(f"{name}.norm2", tokens)).relu()
        tokens = tokens + self.linear(f"{name}.mlp.fc2", hidden)
        total = torch.zeros(channels, height + 2, width + 2)
        for token, (y, x) in zip(tokens, places, strict=True):
            total[:, y : y + 3, x : x + 3] += token.reshape(channels, 3, 3)
        return total[None, :, 1:-1, 1:-1]

    def norm(self, name: str, x: Tensor) -> Tensor:
        centred = x - x.mean(1, keepdim=True)
        variance = (centred**2).mean(1, keepdim=True)
        return centred / (variance + 1e-5).sqrt() * self.t[f"{name}.weight"] + self.t[f"{name}.bias"]

    def linear(self, name: str, x: Tensor) -> Tensor:
        return x @ self.t[f"{name}.weight"].T + self.t.get(f"{name}.bias", torch.zeros(1))

    def emha(self, name: str, x: Tensor) -> Tensor:
        qkv = self.linear(f"{name}.qkv", self.linear(f"{name}.reduce", x))
        count, width = x.shape[0], qkv.shape[1] // 3
        scale = (x.shape[1] / self.heads) ** -0.5
        out = torch.zeros(count, width)
        length = count // 4
        for begin in range(0, count, length):
            rows = slice(begin, min(begin + length, count))
            for head in range(self.heads):
                own = [
                    slice(
                        part * width + head * width // self.heads,
                        part * width + (head + 1) * width // self.heads,
                    )
                    for part in range(3)
                ]
                q, k, v = (qkv[rows, columns] for columns in own)
                out[rows, own[0]] = (q @ k.T * scale).softmax(1) @ v
        return self.linear(f"{name}.proj", out)


def plausible_esrt(scale: int = 2, channels: int = 16, detail: float = 0.02) -> ESRT:
    """Random except for the skip branch, which repeats pixels; the trunk adds little."""
    module = small_esrt(scale=scale, channels=channels)
    identity = torch.zeros(channels, 3, 3, 3)
    identity[range(3), range(3), 1, 1] = 1.0
    with torch.no_grad():
        module.head[0].weight.mul_(detail).add_(identity)
        module.head[0].bias.zero_()
        for step in module.up[0]:
            if isinstance(step, torch.nn.Conv2d):
                side = (step.out_channels // channels) ** 0.5
                step.weight.mul_(detail).add_(
                    torch.eye(channels).repeat_interleave(round(side**2), 0)[:, :, None, None]
                    * torch.eye(3)[1][:, None]
                    * torch.eye(3)[1]
                )
                step.bias.zero_()
        module.up[1].conv.weight.mul_(detail).add_(identity.transpose(0, 1))
        module.tail[1].weight.mul_(detail)
        module.tail[1].bias.zero_()
    return module
