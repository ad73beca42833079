"""Speed of training: patches per second of the loader alone, and steps per second of each phase of a run.

    python benchmarks/training.py --packed FILE [--network smsr_s_x2] [--batch 8] [--patch 48] [--threads 1] [--bf16]

Processor time is that of this process, independent of other load. A step counts three times the multiply-adds of its
forward pass (once for the result, twice for the gradients), for dense convolutions. With SPARSESR_CPU=avx512, torch
computes what native kernels for AMX would.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from pathlib import Path

import torch

from sparsesr.lab.data.batches import DeviceBatches, HostBatches
from sparsesr.lab.data.pack import PackedPairs
from sparsesr.lab.data.patches import PatchSampler
from sparsesr.lab.nn.layers.sparse_mask import SparseMaskModule
from sparsesr.lab.nn.masked_network import MaskedNetwork
from sparsesr.lab.nn.registry import create


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    sampler = PatchSampler(PackedPairs(options.packed), options.patch, options.batch, seed=1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for name, batches in (("host", HostBatches(sampler, device)), ("device", DeviceBatches(sampler, device))):
        batches.at(0)
        wall, cpu = _timed(batches.at, options.loader_steps)
        rates = f"{options.batch / cpu:,.0f} patches per second of processor time"
        print(f"loader, {name}: {rates} ({options.batch / wall:,.0f} per second)")
        batches.close()
    _measure_steps(options, sampler, device)
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--packed", type=Path, required=True)
    parser.add_argument("--network", default="smsr_s_x2")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--patch", type=int, default=48)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--bf16", action="store_true", help="steps in mixed precision")
    parser.add_argument("--loader-steps", type=int, default=100)
    return parser.parse_args()


def _measure_steps(options: argparse.Namespace, sampler: PatchSampler, device: torch.device) -> None:
    network = create(options.network).to(device, memory_format=torch.channels_last).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    batches = HostBatches(sampler, device)

    def step(number: int) -> None:
        lr, hr = batches.at(number)
        with torch.autocast(device.type, torch.bfloat16, enabled=options.bf16):
            output = network(lr)
        loss = (output.float() - hr).abs().mean() + 1e-4 * network.density()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    gflop = 3 * 2e-9 * dense_macs(network, sampler.lr_patch_px) * options.batch
    for phase, start in PHASES.items():
        start(network)
        step(0)
        wall, cpu = _timed(step, options.steps)
        rate = f"{cpu:.3f} s of processor time a step, {gflop / cpu:.0f} GFLOP/s of {gflop:.1f} GFLOP"
        print(f"{options.network}, {phase}: {rate} ({1 / wall:.2f} steps per second)")
    batches.close()


def _harden(network: MaskedNetwork) -> None:
    """Masks as in evaluation, without dense channels, and without a gradient to their heads."""
    for unit in network.mask_units():
        if isinstance(unit, SparseMaskModule):
            unit.body.fix_dense([0] * unit.body.layers)
    network.harden_spatial_masks(is_straight_through=False)
    network.teach_masks()


# In this order, as masks do not become soft again.
PHASES: dict[str, Callable[[MaskedNetwork], None]] = {
    "dense": lambda network: network.open_masks(),
    "soft masks": lambda network: network.open_masks(False),
    "frozen channel masks": lambda network: network.freeze_channel_masks(),
    "hard masks": _harden,
}


def _timed(work: Callable[[int], object], count: int) -> tuple[float, float]:
    """Seconds per call: wall-clock time, and processor time of this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    for number in range(1, count + 1):
        work(number)
    return (time.perf_counter() - wall) / count, (time.process_time() - cpu) / count


def dense_macs(network: torch.nn.Module, patch_px: int) -> int:
    """Multiply-adds of all convolutions in a dense forward pass over one patch, which skips mask heads."""
    total = 0

    def count(conv: torch.nn.Conv2d, inputs: object, output: torch.Tensor) -> None:
        nonlocal total
        total += conv.weight.numel() * output.shape[2] * output.shape[3]

    hooks = [
        module.register_forward_hook(count)
        for module in network.modules()
        if isinstance(module, torch.nn.Conv2d)
    ]
    network.open_masks()
    network.eval()  # in training, native kernels compute some of them unseen
    with torch.no_grad():
        network(torch.zeros(1, 3, patch_px, patch_px, device=next(network.parameters()).device))
    for hook in hooks:
        hook.remove()
    network.train()
    network.open_masks(False)
    return total


if __name__ == "__main__":
    main()
