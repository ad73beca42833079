"""Places of maps in the buffers of a plan."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """The buffer of a map during one segment."""

    buffer: int
    """Index into the plan's buffers."""
    is_whole: bool
    rows: int
    """Rows of the whole map."""
