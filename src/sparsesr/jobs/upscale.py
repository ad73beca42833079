"""``sparsesr.upscale``: upscale one image, in memory or in a file, with one call."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

from sparsesr.engine.execute import Cancelled, Progress, RunOptions
from sparsesr.engine.networks import ModelLike
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import Parameter, UsageError
from sparsesr.jobs.destinations import default_output, refuse_same
from sparsesr.jobs.files import WriteOptions, upscale_file
from sparsesr.jobs.local_names import is_folder, local_name


def upscale(
    image: Any,
    scale: float | None = None,
    model: ModelLike | None = None,
    *,
    width: int | None = None,
    height: int | None = None,
    fit: tuple[int, int] | None = None,
    output: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    format: str | None = None,
    quality: int | None = None,
    depth: int | None = None,
    lossless: bool = False,
    strip: bool = False,
    preserve_time: bool = False,
    effort: float | None = None,
    target_ms: float | None = None,
    precision: str = "auto",
    inference: str = "auto",
    threads: int | None = None,
    memory: float | None = None,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> Any:
    """Upscale one image and return the same kind of object.

    For a path, the result is written to ``output``, a file or an existing folder (default: ``<name>_x<scale>``
    beside the input), and its path is returned; numpy arrays and PIL images are returned as such. ``output``,
    ``overwrite``, ``format``, ``quality``, ``depth``, ``lossless``, ``strip``, ``preserve_time`` are for paths; see
    :class:`WriteOptions`. All other parameters are those of :class:`Upscaler` and its call, among them the sizes.
    Without ``model``, that for a JPEG file depends on its quality. For many images, create one :class:`Upscaler`.
    """
    write_options = WriteOptions(overwrite, format, quality, depth, lossless, strip, preserve_time)
    is_file = isinstance(image, (str, os.PathLike))
    if not is_file:
        _refuse_write_options(write_options, output)
    upscaler = Upscaler(
        model,
        scale=scale,
        width=width,
        height=height,
        fit=fit,
        threads=threads,
        memory=memory,
        inference=inference,
        precision=precision,
    )
    if is_file:
        source = Path(local_name(cast("str", image)))
        target = _target(source, output, upscaler.label, write_options.format)
        refuse_same(source, target)
        options = RunOptions(effort, target_ms, progress=progress, cancelled=cancelled)
        return upscale_file(upscaler, source, target, options, write_options).upscaled.image
    return upscaler(
        image, effort=effort, target_ms=target_ms, keep_masks=False, progress=progress, cancelled=cancelled
    ).image


def _target(source: Path, output: str | os.PathLike[str] | None, label: str, format: str | None) -> Path:
    if not output:
        return default_output(source, label, format=format)
    target = Path(local_name(output, is_output=True))
    return default_output(source, label, folder=target, format=format) if is_folder(target) else target


def _refuse_write_options(write_options: WriteOptions, output: str | os.PathLike[str] | None) -> None:
    """Raise UsageError if an option for files is set although no file is written."""
    given = {**vars(write_options), "output": output}
    unused = next((name for name, value in given.items() if value not in (None, False)), None)
    if unused is not None:
        raise UsageError(
            "applies to paths only; arrays and PIL images are returned, not written", where=Parameter(unused)
        )
