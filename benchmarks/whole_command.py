"""The complete ``upscale`` command in a process of its own: time and peak memory."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Not ru_maxrss, which a child inherits from its parent. VmHWM is the peak of the program itself, in KiB.
_CHILD = """
import sys
from sparsesr.cli.main import main
status = main(sys.argv[1:])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
sys.exit(status)
"""


@dataclass(frozen=True)
class CommandRun:
    """What a run of the command took."""

    seconds: float
    """Wall-clock time, with the start of Python."""
    peak_mb: float
    """Peak memory of the process."""
    record: dict[str, Any]
    """Its JSON record."""


def run_upscale(model: str, photo: Path, threads: int, *options: str, suffix: str = ".png") -> CommandRun:
    """Upscale a photo to a temporary file of the format that ``suffix`` names."""
    with tempfile.TemporaryDirectory() as folder:
        target = str(Path(folder) / f"out{suffix}")
        words = ["upscale", str(photo), "-n", model, "-j", str(threads), "-o", target, "--json", *options]
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, *words], capture_output=True, text=True, check=True
        )
        seconds = time.perf_counter() - began
    record, peak = done.stdout.splitlines()[-2:]
    return CommandRun(seconds, int(peak) * 1024 / 1e6, json.loads(record))
