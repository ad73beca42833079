"""How a machine is divided among workers."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sparsesr.cluster.items import Settings
from sparsesr.limits import MEBIBYTE

_LEAST_SHARE_BYTES = 512 * MEBIBYTE
"""Enough for a photograph of a few megapixels; larger ones are done alone."""


@dataclass(frozen=True)
class Machine:
    """What a machine offers to a batch."""

    threads: int
    free_bytes: int | None
    """Memory that the batch may use; None if the system does not say."""


def shared(settings: Settings, machine: Machine, files: int, memory: int | None) -> list[Settings]:
    """The settings of each worker that shares the machine with others.

    One thread each is fastest as long as there are more files than threads: nothing waits at barriers, and decoding
    and encoding run beside networks. The workers together stay within half of the free memory, or, with a limit of
    ``memory`` bytes each, within all of it.
    """
    workers = max(1, min(machine.threads, files, _most_workers(machine, memory)))
    each, rest = divmod(machine.threads, workers)
    share = memory
    if memory is None and machine.free_bytes is not None:
        share = machine.free_bytes // 2 // workers
    if workers == 1:
        return [replace(settings, threads=machine.threads, memory=memory)]
    return [
        replace(settings, threads=each + (number < rest), memory=share, is_shared=memory is None)
        for number in range(workers)
    ]


def alone(settings: Settings, machine: Machine) -> list[Settings]:
    """The settings of the only worker of a machine: all its threads, and the memory that `upscale` would take."""
    return [replace(settings, threads=machine.threads)]


def _most_workers(machine: Machine, memory: int | None) -> int:
    if machine.free_bytes is None:
        return machine.threads
    return machine.free_bytes // memory if memory else machine.free_bytes // 2 // _LEAST_SHARE_BYTES
