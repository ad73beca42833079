"""What a request asks for: the options of ``sparsesr upscale``, as parameters of a query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Query

from sparsesr.engine.execute import RunOptions
from sparsesr.engine.output_size import written_size
from sparsesr.errors import Parameter, UsageError, Wording
from sparsesr.jobs.files import WriteOptions
from sparsesr.modelfile.catalogue import list_models


@dataclass(frozen=True)
class NetworkWishes:
    """What decides which networks are loaded."""

    model: str | None
    scale: float | None
    width: int | None
    height: int | None
    fit: tuple[int, int] | None
    precision: str
    inference: str


@dataclass(frozen=True)
class Wishes:
    """All options of a request, checked."""

    networks: NetworkWishes
    run: RunOptions
    write: WriteOptions


def known_model(name: str | None) -> str | None:
    """The name of a model in the catalogue. Raises UsageError for others: never a path."""
    if name is None:
        return None
    names = [entry.name for entry in list_models()]
    if name not in names:
        raise UsageError("is unknown", where=Parameter("model"), remedy=f"use one of {', '.join(names)}")
    return name


ModelName = Annotated[
    str | None, Query(description="Name of a model. Default: the bundled one for the file.")
]
Scale = Annotated[float | None, Query(description="Upscaling factor. Default: 2.")]
Precision = Annotated[str, Query(description="auto, fp32, bf16 or int8.")]
Inference = Annotated[str, Query(description="auto, whole or chopped.")]


def network_wishes(
    model: ModelName = None,
    scale: Scale = None,
    width: Annotated[int | None, Query(description="Width of the result in pixels.")] = None,
    height: Annotated[int | None, Query(description="Height of the result in pixels.")] = None,
    fit: Annotated[str | None, Query(description="Largest result within a box, like 1920x1080.")] = None,
    precision: Precision = "auto",
    inference: Inference = "auto",
) -> NetworkWishes:
    """Options that choose networks and a size."""
    box = None if fit is None else written_size(fit)
    if fit is not None and box is None:
        remedy = "write width and height, like 1920x1080"
        raise UsageError(f"{fit!r} is not a size", where=Parameter("fit"), remedy=remedy)
    return NetworkWishes(known_model(model), scale, width, height, box, precision, inference)


def preview_networks(
    model: ModelName = None,
    scale: Scale = None,
    precision: Precision = "auto",
    inference: Inference = "auto",
) -> NetworkWishes:
    """Options that choose networks for a part of an image: a size in pixels would be that of the whole."""
    return NetworkWishes(known_model(model), scale, None, None, None, precision, inference)


def run_wishes(
    effort: Annotated[
        float | None, Query(description="Amount of computation, 0 to 1. Default: as trained.")
    ] = None,
    target_ms: Annotated[
        float | None, Query(description="Choose the effort that takes this many milliseconds.")
    ] = None,
) -> RunOptions:
    """Options of a run."""
    if effort is not None and not 0 <= effort <= 1:
        raise UsageError(f"{effort:g} is not between 0 and 1", where=Parameter("effort"))
    if effort is not None and target_ms is not None:
        remedy = Wording("leave {} or {} out", "effort", "target_ms")
        raise UsageError("chooses the effort", where=Parameter("target_ms"), remedy=remedy)
    return RunOptions(effort, target_ms)


def write_wishes(
    format: Annotated[
        str | None, Query(description="jpg, png, webp, tif, avif or jxl. Default: as the input.")
    ] = None,
    quality: Annotated[
        int | None, Query(description="Quality of formats with loss, 1 to 100. Default: 95.")
    ] = None,
    depth: Annotated[int | None, Query(description="Bits per sample, 8 or 16.")] = None,
    lossless: Annotated[bool, Query(description="Write WebP and AVIF without loss.")] = False,
    strip: Annotated[bool, Query(description="Leave out all metadata but the colour profile.")] = False,
) -> WriteOptions:
    """Options of the file that is written."""
    return WriteOptions(False, format, quality, depth, lossless, strip)
