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
map_BCHW = torch.zeros(16, 3, 144, 144)
for _ in range(20):
    (map_BCHW + 1).sum()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    (map_BCHW + 1).sum()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _page_faults(keeps: bool) -> int:
    command = [sys.executable, "-c", _FAULTS.format(keeps=keeps)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.stderr.strip() == "unavailable":
        pytest.skip("the C library has no such setting")
    return int(run.stdout)


def test_maps_need_no_new_pages() -> None:
    assert _page_faults(keeps=True) < 20
