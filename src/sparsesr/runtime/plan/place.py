"""Where maps live."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Where a map lives during one segment."""

    buffer: int
    """Index into the plan's buffers."""
    is_whole: bool
    rows: int
    """Rows of the whole map."""
