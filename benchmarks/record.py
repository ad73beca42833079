"""Common header and location of committed results."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from sparsesr import _native
from sparsesr.measure.machine import this_machine

RESULTS = Path(__file__).parent / "results"


def circumstances(command: str) -> dict[str, Any]:
    """Return machine, date and commit; ``command`` repeats the measurement."""
    return {
        "command": command,
        **asdict(this_machine()),
        "instruction_set": _native.cpu_features()[-1],
        "commit": _commit(),
    }


def _commit() -> str:
    """Commit, with a plus sign if there are uncommitted changes."""
    described = ["git", "describe", "--always", "--dirty=+", "--abbrev=10", "--exclude=*"]
    done = subprocess.run(described, cwd=RESULTS.parent, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def read(name: str) -> dict[str, Any]:
    """Read ``results/<name>.json``."""
    return cast("dict[str, Any]", json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")))


def write(name: str, record: dict[str, Any]) -> Path:
    """Write ``results/<name>.json``; each of its ``rows``, if any, takes one line."""
    text = json.dumps({**record, "rows": []} if "rows" in record else record, indent=1)
    rows = ",\n".join(f"  {json.dumps(row)}" for row in record.get("rows", []))
    path = RESULTS / f"{name}.json"
    path.write_text(text.replace('"rows": []', f'"rows": [\n{rows}\n ]') + "\n", encoding="utf-8")
    return path
