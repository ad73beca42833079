"""The processor that this runs on: its name, and how much of it this process may use."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def processor_name() -> str:
    """What the maker calls it, for example "AMD EPYC 9R14"; the architecture where the system does not say."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def usable_threads() -> int:
    """Processors that this process may use, which containers and taskset make less than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
