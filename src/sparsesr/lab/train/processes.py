"""Devices and processes of a run, through lightning-fabric: one process, or several started by ``torchrun``."""

from __future__ import annotations

import atexit
import os
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor

from sparsesr.errors import BackendError, Parameter, UsageError, Wording
from sparsesr.lab.train.recipe import Recipe

DEVICES = ("auto", "cpu", "cuda", "mps")
_PRECISIONS: dict[str, Any] = {"fp32": "32-true", "bf16": "bf16-mixed"}
#: How long processes wait for one that died or hangs before they exit too.
_PATIENCE = timedelta(seconds=45)

_ended_groups: list[Any] = []
"""Groups of processes that have ended, for :func:`end_together`."""
atexit.register(_ended_groups.clear)


def start_fabric(recipe: Recipe, device: str) -> Fabric:
    """Fabric for this process, connected with the others if ``torchrun`` started several.

    Raises:
        UsageError: the device is unknown or not available.
        BackendError: the other processes do not respond.
    """
    if device not in DEVICES:
        raise UsageError(
            f"{device!r} is unknown", where=Parameter("device"), remedy=f"use {', '.join(DEVICES)}"
        )
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            "cuda: torch sees no GPU here",
            where=Parameter("device"),
            remedy="use cpu, or install a build of torch with CUDA",
        )
    processes, local = (int(os.environ.get(name, "1")) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    precision = _PRECISIONS[recipe.precision]
    if processes == 1:
        fabric = Fabric(accelerator=device, devices=1, precision=precision)
    else:
        # Parameters of open or frozen masks have no gradients.
        strategy = DDPStrategy(find_unused_parameters=True, timeout=_PATIENCE)
        nodes = processes // local
        fabric = Fabric(
            accelerator=device, devices=local, num_nodes=nodes, strategy=strategy, precision=precision
        )
    with ends_with_the_others(fabric, 0):
        fabric.launch()
    return fabric


@contextmanager
def ends_with_the_others(fabric: Fabric, step: int) -> Generator[None]:
    """Turn torch's errors about a dead or hanging process into a one-line BackendError."""
    try:
        yield
    except (RuntimeError, torch.distributed.DistBackendError) as error:
        text = " ".join(str(error).split())
        if not _is_lost_peer(text):
            raise
        raise BackendError(
            f"another process of this run died or hangs (noticed by process {os.environ.get('RANK', '0')} after "
            f"step {step}: {text[:120]})",
            remedy=Wording("see the messages of the others, then restart all with {}", "resume"),
        ) from error


def end_together(fabric: Fabric, step: int) -> None:
    """Wait until all processes are done, then close their connections.

    If left open until interpreter exit, connection threads sometimes abort a process that has finished.
    """
    if fabric.world_size == 1:
        return
    with ends_with_the_others(fabric, step):
        fabric.barrier()
    # Who lets go of the group last waits for its thread, which may just need the GIL to free a tensor. DDP's reducer
    # would wait with the GIL held, for ever; Python's reference gives it up, so one must outlive the reducer.
    _ended_groups.append(torch.distributed.group.WORLD)
    torch.distributed.destroy_process_group()


def _is_lost_peer(text: str) -> bool:
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    signs = ("onnection", "imed out", "imeout", "peer", "gloo", "NCCL", "TCPStore", "rendezvous")
    return several and any(sign in text for sign in signs)


def mean_over(fabric: Fabric, value: Tensor) -> Tensor:
    """The mean of a tensor over the processes."""
    return value if fabric.world_size == 1 else fabric.all_reduce(value.clone(), reduce_op="mean")  # type: ignore[return-value]


def sum_over(fabric: Fabric, value: Tensor) -> Tensor:
    """The sum of a tensor over the processes, on the host."""
    if fabric.world_size == 1:
        return value
    # some devices (mps) have no double precision
    total: Any = fabric.all_reduce(value.float().to(fabric.device), reduce_op="sum")
    return total.cpu()
