"""``sparsesr mask``: a picture of where the network worked, and a table of what skipping saved."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from sparsesr.cli import options
from sparsesr.cli.interrupts import interruptible, naming_interruptions
from sparsesr.cli.messages import print_json, warn_of_plan
from sparsesr.cli.progress import progress_bar
from sparsesr.engine.arrays import without_holes
from sparsesr.engine.execute import RunOptions
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import UsageError
from sparsesr.image.decode import decode
from sparsesr.image.destination import checked_destination
from sparsesr.image.encode import encode_to
from sparsesr.image.picture import Picture
from sparsesr.image.source import printable
from sparsesr.jobs.destinations import default_output, refuse_clashes
from sparsesr.measure.mask_report import MaskReport, ModuleReport, measure_masks
from sparsesr.measure.mask_view import draw_mask_view


def run(
    # Whether a path is readable is for us to say, with our words and status, hence readable=False.
    image: Annotated[Path, typer.Argument(metavar="PHOTO", help="A picture.", readable=False)],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="File to write. [PHOTO_mask.png]", readable=False),
    ] = None,
    scale: Annotated[int | None, typer.Option("-s", "--scale", help="How many times larger. [2]")] = None,
    model: Annotated[str | None, typer.Option("-n", "--model", help="Name or .safetensors file.")] = None,
    effort: Annotated[float | None, typer.Option(help="How much to compute, 0 to 1.")] = None,
    memory: Annotated[str, typer.Option(help="Bound of the peak memory.")] = "2GiB",
    threads: Annotated[int | None, typer.Option("-j", "--threads", help="Default: all cores.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Figures as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only write the picture.")] = False,
) -> int:
    """Show where the network worked: panels over the photograph, density, and what was saved.

    Times are medians of three runs with masks and three of the same network dense, in turns.
    """
    options.check_effort(effort)
    options.check_positive("-j", threads)
    target = output or default_output(image, 1, format="png", label="mask")
    if target.is_dir():
        target = target / default_output(image, 1, format="png", label="mask").name
    refuse_clashes({image: target})
    destination = checked_destination(target, overwrite=overwrite)
    upscaler = Upscaler(model, scale=scale, threads=threads, memory=options.parse_memory(memory))
    bar = progress_bar("measuring", quiet=quiet or as_json)
    with naming_interruptions(printable(image)), interruptible() as cancelled, bar as progress:
        picture = decode(image, cancelled=cancelled)
        if min(picture.height, picture.width) < 2:
            raise UsageError(
                f"{picture.width}x{picture.height} px show no masks",
                where=printable(image),
                remedy="take a photo",
            )
        seen = without_holes(picture.rgb, picture.alpha)
        announce = None if quiet else warn_of_plan
        given = RunOptions(effort, on_plan=announce, cancelled=cancelled)
        report = measure_masks(upscaler, seen, given, on_run=progress)
        view = Picture(draw_mask_view(_opaque(picture), report))
        encode_to(view, destination, cancelled=cancelled)
    if as_json:
        print_json(_record(upscaler, image, target, picture, report))
    elif not quiet:
        _print_table(report)
        print(f"{printable(image)} {picture.width}x{picture.height} -> {printable(target)}")
    return 0


def _opaque(picture: Picture) -> Any:
    """The photograph as people see it: transparent parts on white."""
    if picture.alpha is None:
        return picture.rgb
    peak = int(np.iinfo(picture.rgb.dtype).max)
    weight = picture.alpha[..., None].astype(np.float32) / peak
    return (picture.rgb * weight + peak * (1 - weight)).astype(picture.rgb.dtype)


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
    upscaler: Upscaler, image: Path, target: Path, picture: Picture, report: MaskReport
) -> dict[str, Any]:
    return {
        "input": printable(image),
        "output": printable(target),
        "width": picture.width,
        "height": picture.height,
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
