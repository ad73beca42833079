"""``sparsesr eval``: quality of models on folders of reference images."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from sparsesr import _native
from sparsesr.cli import options, shared_options
from sparsesr.cli.int8_scales import with_scales_if_needed
from sparsesr.cli.training_extra import require_training_extra
from sparsesr.engine.upscaler import INFERENCE
from sparsesr.errors import InputError, UsageError
from sparsesr.measure.bicubic import BICUBIC
from sparsesr.measure.chopped import ChoppedMethod, resolve_inference
from sparsesr.measure.method import Method
from sparsesr.measure.native import NativeMethod, model_at_scale, open_method
from sparsesr.measure.protocol import EvaluationSet, find_sets
from sparsesr.measure.quality import ImageResult, SetResult, evaluate
from sparsesr.measure.table_files import SUFFIXES, write_table
from sparsesr.measure.tables import TableRow, format_table, table_row
from sparsesr.modelfile.catalogue import default_model_for, load
from sparsesr.modelfile.spec import Facts, ModelFile

_CHECKPOINTS = (".pt", ".pth", ".ckpt")
_FORMS = ("native", "torch")


@dataclass(frozen=True)
class _Request:
    """Settings of a measurement, as typed."""

    form: str
    precision: str
    inference: str
    noise_sigma: float
    threads: int | None
    report: str
    """Output while measuring: ``json`` records, the ``images`` of one model, or only the names of ``sets``."""

    def check(self) -> None:
        """Raise UsageError for invalid values or combinations."""
        options.check_positive("-j", self.threads)
        options.check_precision(self.precision)
        options.check_noise_sigma(self.noise_sigma)
        if self.inference not in INFERENCE:
            raise UsageError(f"--inference {self.inference!r} is unknown; use {', '.join(INFERENCE)}")
        if self.form not in _FORMS:
            raise UsageError(f"--form {self.form!r} is unknown; use {' or '.join(_FORMS)}")
        if self.form == "torch" and self.precision != "fp32":
            raise UsageError(
                f"--form torch measures in fp32 only; leave --precision {self.precision} out, or --form torch"
            )


def run(
    data: Annotated[
        Path,
        typer.Option("--data", help="Folder of HR images, or of sets: SET/HR and, optionally, SET/LRx2_std."),
    ],
    models: Annotated[
        list[str] | None,
        typer.Option(
            "-n",
            "--model",
            help="Model name or file, checkpoint (.pt), or bicubic; repeatable. [default: that of upscale]",
        ),
    ] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="Set to measure; repeatable. [default: all]")
    ] = None,
    scale: Annotated[
        int | None,
        typer.Option("-s", "--scale", help="Upscaling factor. [default: the model's, or 2]"),
    ] = None,
    form: Annotated[
        str, typer.Option("--form", help="Runtime: native, or torch (needs [train]).")
    ] = "native",
    precision: Annotated[
        str,
        typer.Option(
            help="auto, fp32, bf16 or int8, in the native runtime. Tables state the precision used."
        ),
    ] = "fp32",
    inference: Annotated[
        str,
        typer.Option(help="whole, chopped (into crops), or auto: as the network's authors measure it."),
    ] = "auto",
    noise_sigma: shared_options.NoiseSigma = 0.0,
    threads: shared_options.Threads = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per set.")] = False,
    outputs: Annotated[
        list[Path] | None,
        typer.Option(
            "-o", "--output", help="Also write a table (.md, .csv, .json) or a plot (.svg); repeatable."
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
) -> int:
    """Measure PSNR and SSIM (luma, borders shaved), density, multiply-adds and time.

    Several models are compared in one table. LR images are read from SET/LRx2_std, or else computed like MATLAB's
    imresize.
    """
    names = models or [default_model_for(scale or 2).name]
    report = "json" if as_json else "images" if len(names) == 1 else "sets"
    request = _Request(form, precision, inference, noise_sigma, threads, report)
    request.check()
    _check_destinations(outputs or (), overwrite)
    rows: list[TableRow] = []
    for name in names:
        method = _open(name, scale, request)
        scale = method.model.facts.scale  # models of one table share a scale
        rows += _measure(method, name, find_sets(data, scale, sets or ()), request)
    if report == "sets":
        print(format_table(rows, "text"), end="")
    for path in outputs or ():
        write_table(path, rows, overwrite)
    return 0


def _check_destinations(paths: Sequence[Path], overwrite: bool) -> None:
    """Check before any work. UsageError: unknown file type. InputError: the file exists or its folder does not."""
    for path in paths:
        if path.suffix.lower() not in SUFFIXES:
            raise UsageError(f"{path}: unknown file type; use {', '.join(SUFFIXES)}")
        if path.exists() and not overwrite:
            raise InputError(f"{path}: exists; pass --overwrite or another -o")
        if not path.parent.is_dir():
            raise InputError(f"{path}: the folder {path.parent} does not exist; create it")


def _open(name: str, scale: int | None, request: _Request) -> Method:
    """Open a model; imports the lab for checkpoints and for torch only."""
    is_checkpoint = Path(name).suffix.lower() in _CHECKPOINTS
    if name == BICUBIC:
        method = open_method(name, request.threads, scale, request.precision)
    elif request.form == "native" and not is_checkpoint:
        method = _native_method(model_at_scale(load(name), scale, name), request)
    else:
        require_training_extra("eval of a checkpoint or in torch")
        method = _open_in_lab(name, is_checkpoint, scale, request)
    _check_precision_used(name, method, request.precision)
    return method


def _open_in_lab(name: str, is_checkpoint: bool, scale: int | None, request: _Request) -> Method:
    from sparsesr.lab.evaluate.torch_method import TorchMethod, load_checkpoint, open_in_torch

    if not is_checkpoint:
        return open_in_torch(name, request.threads, scale)
    module, model = load_checkpoint(Path(name), scale)
    if request.form == "torch":
        return TorchMethod(module, model, request.threads)
    return _native_method(model, request)


def _native_method(model: ModelFile, request: _Request) -> Method:
    ready = with_scales_if_needed(model, request.precision, request.threads)
    return NativeMethod(ready, request.threads, request.precision)


def _check_precision_used(name: str, method: Method, wanted: str) -> None:
    """Report if fp32 replaces the requested precision; UsageError if no layer can run in the requested bf16."""
    if wanted == "fp32" or method.precision != "fp32":
        return
    if wanted == "bf16" and isinstance(method, NativeMethod) and _native.has_fast_bf16():
        raise UsageError(f"{name} has no layer that can run in bf16; use --precision fp32 or auto")
    print(f"note: {name} is measured in fp32: {method.precision_reason}", file=sys.stderr)


def _measure(
    method: Method, name: str, sets: Sequence[EvaluationSet], request: _Request
) -> Generator[TableRow]:
    """Yield a row for each set; prints the requested report."""
    facts, precision = method.model.facts, method.precision
    inference = resolve_inference(request.inference, method.model)
    method = ChoppedMethod(method) if inference == "chopped" else method
    label = Path(name).stem if Path(name).suffix in (*_CHECKPOINTS, ".safetensors") else name
    for images in sets:
        progress = _announce(images, facts, label, f"{request.form} {precision}, {inference}", request)
        result = evaluate(method, images, progress, request.noise_sigma)
        if request.report == "images":
            _print_mean(result)
        if request.report == "json":
            about = {"model": facts.name, "scale": facts.scale, "form": request.form, "inference": inference}
            about |= {"precision": precision, "noise_sigma": request.noise_sigma}
            print(json.dumps({**about, **result.to_json()}, allow_nan=False), flush=True)
        yield table_row(label, facts.scale, precision, result)


def _announce(
    images: EvaluationSet, facts: Facts, label: str, how: str, request: _Request
) -> Callable[[ImageResult], None] | None:
    """Print the heading of a set; return the function that prints each of its images, if any."""
    if request.report == "sets":
        print(f"measuring {label} on {images.name}", file=sys.stderr)
    if request.report != "images":
        return None
    noise = f", noise sigma {request.noise_sigma:g}" if request.noise_sigma else ""
    _print_head(images.name, facts, f"{how}{noise}")
    return _print_image


def _print_head(name: str, facts: Facts, form: str) -> None:
    print(f"{name}, {facts.name} x{facts.scale}, {form}")
    print(f"  {'image':<20} {'PSNR-Y':>8} {'SSIM-Y':>8} {'density':>8} {'GMAC':>9} {'seconds':>8}")


def _row(name: str, psnr: float, ssim: float, density: float, macs: float, seconds: float) -> str:
    return f"  {name[:20]:<20} {psnr:8.3f} {ssim:8.4f} {density:8.3f} {macs / 1e9:9.3f} {seconds:8.3f}"


def _print_image(image: ImageResult) -> None:
    print(_row(image.name, image.psnr_y, image.ssim_y, image.density, image.macs, image.seconds))
    sys.stdout.flush()


def _print_mean(result: SetResult) -> None:
    mean = result.mean
    print(_row("mean", mean("psnr_y"), mean("ssim_y"), mean("density"), mean("macs"), mean("seconds")))
