"""``sparsesr.upscale``: one call for one image, in memory or in a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

from sparsesr.engine.execute import Cancelled, Progress, RunOptions
from sparsesr.engine.upscaler import ModelLike, Upscaler
from sparsesr.errors import Parameter, UsageError
from sparsesr.jobs.destinations import default_output, refuse_clashes
from sparsesr.jobs.files import Writing, upscale_file
from sparsesr.limits import DEFAULT_MEMORY_BYTES


def upscale(
    image: Any,
    scale: int | None = None,
    model: ModelLike | None = None,
    *,
    output: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    format: str | None = None,
    quality: int | None = None,
    depth: int | None = None,
    effort: float | None = None,
    target_ms: float | None = None,
    precision: str = "auto",
    inference: str = "auto",
    threads: int | None = None,
    memory: int = DEFAULT_MEMORY_BYTES,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> Any:
    """Upscale one image and return the same kind of thing that was given.

    A path is read and written (to ``output``, or ``<name>_x<scale>`` beside it) and the path that was written
    is returned; numpy arrays and PIL images come back as such. ``output``, ``overwrite``, ``format``, ``quality``
    and ``depth`` are for paths; see :class:`Writing`. All others are as of :class:`Upscaler` and its call. For
    many images make an :class:`Upscaler` once.
    """
    writing = Writing(overwrite, format, quality, depth)
    is_file = isinstance(image, (str, os.PathLike))
    if not is_file:
        _refuse_writing(writing, output)
    upscaler = Upscaler(
        model, scale=scale, threads=threads, memory=memory, inference=inference, precision=precision
    )
    if is_file:
        source = Path(cast("str", image))
        target = Path(output) if output else default_output(source, upscaler.scale, format=writing.format)
        refuse_clashes({source: target})
        options = RunOptions(effort, target_ms, progress=progress, cancelled=cancelled)
        return upscale_file(upscaler, source, target, options, writing).upscaled.image
    return upscaler(
        image, effort=effort, target_ms=target_ms, keep_masks=False, progress=progress, cancelled=cancelled
    ).image


def _refuse_writing(writing: Writing, output: str | os.PathLike[str] | None) -> None:
    """UsageError if something is said about a file where none is written."""
    given = {**vars(writing), "output": output}
    unused = next((name for name, value in given.items() if value not in (None, False)), None)
    if unused is not None:
        raise UsageError(
            "goes with a path; arrays and PIL images are returned, not written", where=Parameter(unused)
        )
