"""``sparsesr eval``: quality of a model on folders of reference pictures."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sparsesr.cli import options
from sparsesr.errors import UsageError

if TYPE_CHECKING:
    from sparsesr.measure.method import Form
    from sparsesr.measure.protocol import EvaluationSet
    from sparsesr.measure.quality import ImageResult, SetResult
    from sparsesr.measure.tables import ComparisonRow
    from sparsesr.modelfile.spec import Facts

_MAX_SIGMA = 255
_CHECKPOINTS = (".pt", ".pth", ".ckpt")


def run(
    data: Annotated[
        Path, typer.Option("--data", help="Folder of HR pictures, or with SET/HR (and SET/LRx2_std).")
    ],
    models: Annotated[
        list[str] | None,
        typer.Option("-n", "--model", help="Name, model file, .pt file, or bicubic; repeat it to compare."),
    ] = None,
    sets: Annotated[list[str] | None, typer.Option("--set", help="Set to measure; repeat it. [all]")] = None,
    scale: Annotated[
        int | None, typer.Option("-s", "--scale", help="Enlargement. [the model's, or 2]")
    ] = None,
    form: Annotated[str, typer.Option("--form", help="native, or torch (needs [train]).")] = "native",
    precision: Annotated[
        str, typer.Option(help="auto, fp32 or bf16; of the native form. The table says what it became.")
    ] = "fp32",
    inference: Annotated[
        str, typer.Option(help="whole, chopped (into crops), or auto: as the network's authors measure it.")
    ] = "auto",
    noise_sigma: Annotated[
        float, typer.Option("--noise-sigma", help="Noise on the small pictures, of 255; always the same.")
    ] = 0.0,
    threads: Annotated[int | None, typer.Option("-j", "--threads", help="Default: all cores.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per set on stdout.")] = False,
    outputs: Annotated[
        list[Path] | None,
        typer.Option("-o", "--output", help="Also write .md, .csv, .json, or .svg (quality over time)."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
) -> int:
    """Measure PSNR and SSIM (luma, borders shaved), density, multiply-adds and time.

    Several models give one table. The small pictures are read from SET/LRx2_std, or made as MATLAB's imresize does.
    """
    options.check_positive("-j", threads)
    options.check_precision(precision)
    if not 0 <= noise_sigma <= _MAX_SIGMA:
        raise UsageError(f"--noise-sigma must be 0 to {_MAX_SIGMA}, not {noise_sigma:g}")
    from sparsesr.measure.protocol import find_sets
    from sparsesr.measure.tables import check_destinations, format_table, write_table
    from sparsesr.modelfile.catalogue import default_model_for

    check_destinations(outputs or (), overwrite)
    names = models or [default_model_for(scale or 2).name]
    says = "nothing" if as_json else "pictures" if len(names) == 1 else "sets"
    rows: list[ComparisonRow] = []
    for name in names:
        opened = _open(name, scale, form, threads, precision)
        _say_if_not(precision, name, opened)
        scale = opened.model.facts.scale  # models of one table enlarge alike
        for row, record in _measure(
            opened, name, find_sets(data, scale, sets or ()), form, inference, noise_sigma, says
        ):
            rows.append(row)
            if as_json:
                print(json.dumps(record, allow_nan=False), flush=True)
    if says == "sets":
        print(format_table(rows, "text"), end="")
    for path in outputs or ():
        write_table(path, rows, overwrite)
    return 0


def _measure(
    opened: Form,
    name: str,
    sets: Sequence[EvaluationSet],
    form: str,
    inference: str,
    noise_sigma: float,
    says: str,
) -> Generator[tuple[ComparisonRow, dict[str, Any]]]:
    """A row and the complete figures of a model for each set."""
    from sparsesr.measure.methods import ChoppedForm, resolve_inference
    from sparsesr.measure.quality import evaluate
    from sparsesr.measure.tables import comparison_row

    facts = opened.model.facts
    inference = resolve_inference(inference, opened.model)
    opened = ChoppedForm(opened) if inference == "chopped" else opened
    label = Path(name).stem if Path(name).suffix in (*_CHECKPOINTS, ".safetensors") else name
    for images in sets:
        if says == "pictures":
            noise = f", noise sigma {noise_sigma:g}" if noise_sigma else ""
            _print_head(images.name, facts, f"{form} {opened.precision}, {inference}{noise}")
        if says == "sets":
            print(f"measuring {label} on {images.name}", file=sys.stderr)
        progress = _print_image if says == "pictures" else None
        result = evaluate(opened, images, progress=progress, noise_sigma=noise_sigma)
        if says == "pictures":
            _print_mean(result)
        about = {"model": facts.name, "scale": facts.scale, "form": form, "inference": inference}
        about = {**about, "precision": opened.precision, "noise_sigma": noise_sigma}
        yield comparison_row(label, facts.scale, opened.precision, result), {**about, **result.to_json()}


def _open(name: str, scale: int | None, form: str, threads: int | None, precision: str) -> Form:
    from sparsesr.cli.training_extra import require_training_extra

    if form == "torch" or Path(name).suffix.lower() in _CHECKPOINTS:
        require_training_extra("eval of a checkpoint or in torch")
    from sparsesr.measure.methods import open_form

    return open_form(name, form, threads, scale, precision)


def _say_if_not(precision: str, name: str, opened: Form) -> None:
    if precision != "fp32" == opened.precision:
        print(f"note: {name} is measured in fp32: {opened.precision_reason}", file=sys.stderr)


def _print_head(name: str, facts: Facts, form: str) -> None:
    print(f"{name}, {facts.name} x{facts.scale}, {form}")
    print(f"  {'picture':<20} {'PSNR-Y':>8} {'SSIM-Y':>8} {'density':>8} {'GMAC':>9} {'seconds':>8}")


def _row(name: str, psnr: float, ssim: float, density: float, macs: float, seconds: float) -> str:
    return f"  {name[:20]:<20} {psnr:8.3f} {ssim:8.4f} {density:8.3f} {macs / 1e9:9.3f} {seconds:8.3f}"


def _print_image(image: ImageResult) -> None:
    print(_row(image.name, image.psnr_y, image.ssim_y, image.density, image.macs, image.seconds))
    sys.stdout.flush()


def _print_mean(result: SetResult) -> None:
    mean = result.mean
    print(_row("mean", mean("psnr_y"), mean("ssim_y"), mean("density"), mean("macs"), mean("seconds")))
