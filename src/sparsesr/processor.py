"""Name of the processor, and the number of threads available to this process."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def processor_name() -> str:
    """The vendor's model name, such as "AMD EPYC 9R14"; the architecture if the system does not report one."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def usable_threads() -> int:
    """Number of processors this process may use; containers and taskset can make it smaller than the machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
