"""Logits and times of all exits of a classifier, without early exit.

Shape suffixes: E exits, N images, B batch, K classes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from statistics import median

import torch
from torch import Tensor

from sparsesr.lab.nn.exit_network import AnyExitNetwork

_ROUNDS = 5


@torch.inference_mode()
def logits_of_all_exits(network: AnyExitNetwork, batches: Iterable[Tensor]) -> Tensor:
    """(E, N, K) of batches (B, 3, H, W) that are N images together."""
    return torch.cat([network(image_B3HW) for image_B3HW in batches], 1)


@torch.inference_mode()
def ms_by_exit(
    network: AnyExitNetwork, image_B3HW: Tensor, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Milliseconds per image up to each exit if the whole batch goes there; medians of a few rounds, rising."""
    rounds: list[list[float]] = []
    for _ in range(_ROUNDS + 1):  # the first one warms up
        started, times = clock(), []
        progress = network.start(image_B3HW)
        for _ in range(network.config.exits):
            _, progress = network.advance(progress)
            times.append(1e3 * (clock() - started) / len(image_B3HW))
        rounds.append(times)
    medians = [median(times) for times in zip(*rounds[1:], strict=True)]
    return [max(medians[: index + 1]) for index in range(len(medians))]
