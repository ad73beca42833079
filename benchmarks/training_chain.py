"""Forward and backward pass of the trunks of Skim in training, fp32: native kernels against torch.

    python benchmarks/training_chain.py [--batch 16] [--patch 48] [--threads 1] [--rounds 7]

Times are processor time of this process: the best of interleaved rounds, since other load only adds to them. Masks are
thresholded smooth noise.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from sparsesr.lab.nn.layers.residual_chain import ResidualChain

TRUNKS = {"skim_fast": (32, 12), "skim_best": (64, 8)}
KEPT = (1.0, 0.65, 0.4)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name, default in (("batch", 16), ("patch", 48), ("threads", 1), ("rounds", 7)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print("| trunk | active pixels | torch | native | |\n|---|---|---|---|---|")
    for name, (channels, blocks) in TRUNKS.items():
        for kept in KEPT:
            torch_s, native_s = _measured(channels, blocks, kept, options)
            ratio = f"{torch_s / native_s:.2f}x"
            print(f"| {name} | {kept:.0%} | {torch_s:.3f} s | {native_s:.3f} s | {ratio} |", flush=True)


def _measured(channels: int, blocks: int, kept: float, options: argparse.Namespace) -> tuple[float, float]:
    """Best seconds of torch and of native kernels."""
    torch.manual_seed(0)
    chain = ResidualChain(channels, blocks).to(memory_format=torch.channels_last)
    size = (options.patch, options.patch)
    feature = torch.randn(options.batch, channels, *size).contiguous(memory_format=torch.channels_last)
    mask = None if kept == 1 else _mask((options.batch, 1, *size), kept)
    times: dict[Callable[..., Tensor], list[float]] = {_by_blocks: [], ResidualChain.__call__: []}
    for number in range(options.rounds + 1):
        for way, seconds in times.items():
            spent = _seconds(way, chain, feature, mask)
            if number:  # the first round warms up
                seconds.append(spent)
    first, second = (min(each) for each in times.values())
    return first, second


def _mask(shape: tuple[int, ...], kept: float) -> Tensor:
    noise = functional.avg_pool2d(torch.randn(shape), 7, 1, 3)
    return (noise > noise.flatten().kthvalue(max(1, round((1 - kept) * noise.numel())))[0]).float()


def _by_blocks(chain: ResidualChain, feature: Tensor, mask: Tensor | None) -> Tensor:
    """As torch computes it, also with a mask: all pixels."""
    for block in chain:
        feature = block(feature, mask)
    return feature


def _seconds(way: Callable[..., Tensor], chain: ResidualChain, feature: Tensor, mask: Tensor | None) -> float:
    leaf = feature.clone().requires_grad_()
    chain.zero_grad(set_to_none=True)
    started = time.process_time()
    way(chain, leaf, mask).square().mean().backward()
    return time.process_time() - started


if __name__ == "__main__":
    main()
