"""Freed maps are used again by the next training step."""

from __future__ import annotations

import subprocess
import sys

import pytest

_FAULTS = """
import resource
import torch
from sparsesr.lab.train.freed_memory import keep_freed_memory

if {keeps} and not keep_freed_memory():
    raise SystemExit("unavailable")
map_BCHW = torch.zeros(16, 3, 448, 448)  # above 32 MB, glibc always asks the system
for _ in range(20):
    (map_BCHW + 1).sum()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    (map_BCHW + 1).sum()
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults * resource.getpagesize() / (4 * map_BCHW.numel()))
"""


def _new_maps(keeps: bool) -> float:
    """Maps' worth of new pages in 20 operations."""
    command = [sys.executable, "-c", _FAULTS.format(keeps=keeps)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.stderr.strip() == "unavailable":
        pytest.skip("the C library has no such setting")
    return float(run.stdout)


def test_maps_need_no_new_pages() -> None:
    # Small tensors may settle in the freed map once or twice, and it moves.
    assert _new_maps(keeps=True) < 4
