"""``sparsesr mask``: an image of the active pixels of each module, and a table of the savings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from sparsesr.cli import options, shared_options
from sparsesr.cli.interrupts import interruptible, naming_interruptions
from sparsesr.cli.messages import print_json, warn_of_plan
from sparsesr.cli.progress import progress_bar
from sparsesr.engine.arrays import without_holes
from sparsesr.engine.execute import RunOptions
from sparsesr.engine.networks import load_model
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import UsageError
from sparsesr.image.decode import decode
from sparsesr.image.decoded_image import DecodedImage
from sparsesr.image.destination import checked_destination
from sparsesr.image.encode import encode_to
from sparsesr.image.source import check_readable, printable
from sparsesr.jobs.destinations import default_output, refuse_same
from sparsesr.jobs.local_names import local_name
from sparsesr.jobs.pairing import file_in
from sparsesr.jobs.record import names
from sparsesr.measure.mask_report import MaskReport, ModuleReport, measure_masks
from sparsesr.measure.mask_view import draw_mask_view


def run(
    photo: Annotated[str, typer.Argument(metavar="PHOTO", help="Image to upscale.")],
    output: Annotated[
        str | None, typer.Option("-o", "--output", help="Image file to write. [default: PHOTO_mask.png]")
    ] = None,
    scale: shared_options.Scale = None,
    model: shared_options.Model = None,
    effort: shared_options.Effort = None,
    memory: shared_options.Memory = None,
    threads: shared_options.Threads = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only write the image.")] = False,
) -> int:
    """Show the active pixels of each module over the photograph, and the work saved by skipping.

    Times are medians of three runs with masks and three dense runs of the same network, interleaved.
    """
    options.check_effort(effort)
    options.check_positive("-j", threads)
    path = Path(local_name(photo))
    check_readable(path)
    target = default_output(path, "mask", format="png")
    if output is not None:
        target = file_in(local_name(output, is_output=True), target.name)
    refuse_same(path, target)
    destination = checked_destination(target, overwrite=overwrite)
    named = None if model is None else load_model(model, scale)
    limit = options.parse_memory(memory)
    bar = progress_bar("measuring", quiet=quiet or as_json)
    with naming_interruptions(printable(path)), interruptible() as cancelled, bar as progress:
        image = decode(path, cancelled=cancelled)
        if min(image.height, image.width) < 2:
            raise UsageError(
                f"{image.width}x{image.height} px are too few to show masks",
                where=printable(path),
                remedy="choose a larger image",
            )
        chosen = named or load_model(None, scale, image.jpeg_quality)  # as `upscale` chooses
        upscaler = Upscaler(chosen, scale=scale, threads=threads, memory=limit)
        pixels = without_holes(image.rgb, image.alpha)
        run_options = RunOptions(effort, on_plan=None if quiet else warn_of_plan, cancelled=cancelled)
        report = measure_masks(upscaler, pixels, run_options, on_run=progress)
        view = DecodedImage(draw_mask_view(_opaque(image), report))
        encode_to(view, destination, cancelled=cancelled)
    if as_json:
        print_json(_record(upscaler, path, target, image, report))
    elif not quiet:
        _print_table(report)
        print(f"{printable(path)} {image.width}x{image.height} -> {printable(target)}")
    return 0


def _opaque(photo: DecodedImage) -> Any:
    """The pixels composited on white."""
    if photo.alpha is None:
        return photo.rgb
    peak = int(np.iinfo(photo.rgb.dtype).max)
    weight = photo.alpha[..., None].astype(np.float32) / peak
    return (photo.rgb * weight + peak * (1 - weight)).astype(photo.rgb.dtype)


def _print_table(report: MaskReport) -> None:
    print(f"{'module':<14} {'density':>8} {'MACs saved':>12} {'share':>7} {'ms saved':>9} {'of ms':>8}")
    for module in [*report.modules, report.total]:
        print(
            f"{module.name:<14} {100 * module.density:>6.1f} % {module.macs_saved / 1e9:>10.3f} G"
            f" {100 * _share(module):>5.1f} % {module.ms_saved:>9.1f} {module.ms_dense:>8.1f}"
        )


def _share(module: ModuleReport) -> float:
    return module.macs_saved / module.macs_dense if module.macs_dense else 0.0


def _record(
    upscaler: Upscaler, source: Path, target: Path, photo: DecodedImage, report: MaskReport
) -> dict[str, Any]:
    return {
        **names(input=source, output=target),
        "width": photo.width,
        "height": photo.height,
        "model": upscaler.network.name,
        "modules": [_module_record(module) for module in report.modules],
        "total": _module_record(report.total),
    }


def _module_record(module: ModuleReport) -> dict[str, Any]:
    return {
        "name": module.name,
        "density": module.density,
        "macs": module.macs,
        "macs_dense": module.macs_dense,
        "macs_saved": module.macs_saved,
        "ms": round(module.ms, 3),
        "ms_dense": round(module.ms_dense, 3),
        "ms_saved": round(module.ms_saved, 3),
    }
