"""What every committed result says about how it came about, and where it is written."""

from __future__ import annotations

import json
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from sparsesr import __version__, _native
from sparsesr.processor import processor_name, usable_threads

RESULTS = Path(__file__).parent / "results"


def circumstances(command: str) -> dict[str, Any]:
    """Machine, date, commit; ``command`` is how to measure again."""
    return {
        "command": command,
        "processor": processor_name(),
        "usable_threads": usable_threads(),
        "instruction_set": _native.cpu_features()[-1],
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "commit": _commit(),
        "sparsesr": __version__,
    }


def _commit() -> str:
    """The commit, with a plus sign if something was changed after it."""
    described = ["git", "describe", "--always", "--dirty=+", "--abbrev=10", "--exclude=*"]
    done = subprocess.run(described, cwd=RESULTS.parent, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def write(name: str, record: dict[str, Any]) -> Path:
    """Write ``results/<name>.json``."""
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return path
