"""What the coordinator of a batch and its workers tell each other; all of it is pickled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsesr.errors import SparsesrError
from sparsesr.jobs.files import WriteOptions
from sparsesr.jobs.journal import State
from sparsesr.modelfile.spec import ModelFile


@dataclass(frozen=True)
class Settings:
    """How a worker upscales."""

    model: ModelFile | None
    """By value, since other machines do not have the user's models; None: the default model."""
    size: dict[str, Any]
    """The arguments of :class:`Upscaler` for the size."""
    precision: str
    inference: str
    effort: float | None
    write_options: WriteOptions
    gains: dict[str, float]
    """The gain of each precision, so that ``auto`` is decided once for all workers."""
    threads: int = 1
    memory: int | None = None
    """Limit for the worker in bytes; None: half of what is free there."""
    is_shared: bool = False
    """True if the limit is a share of the machine's: an image that needs more is put off, to be done alone."""


@dataclass(frozen=True, slots=True)
class Item:
    """A file to upscale."""

    source: Path
    target: Path
    replaces: bool = False
    """Whether an existing target may be replaced."""
    is_again: bool = False
    """Whether a worker was lost over it, which may have written the target."""
    source_state: State = None
    target_state: State = None
    """Both as they were before the work."""


@dataclass(frozen=True)
class Done:
    """A result that was written."""

    record: dict[str, Any]
    """As of ``upscale --json``."""
    target_state: State


@dataclass(frozen=True)
class PutOff:
    """An image that needs more than the worker's share of memory."""


Answer = Done | PutOff | SparsesrError
Timed = tuple[Answer, float]
"""An answer, and the seconds that it took."""
