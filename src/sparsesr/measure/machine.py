"""Machine and date of a measurement."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from datetime import datetime, timezone

from sparsesr import __version__
from sparsesr.processor import processor_name, usable_threads


@dataclass(frozen=True)
class Machine:
    """Conditions on which figures depend."""

    sparsesr: str
    """Version of sparsesr."""
    date: str
    """UTC, ISO 8601."""
    processor: str
    system: str
    usable_threads: int


def this_machine() -> Machine:
    """Describe this machine, today."""
    today = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    return Machine(__version__, today, processor_name(), platform.platform(), usable_threads())
