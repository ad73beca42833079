"""``sparsesr eval``: quality of a model on folders of reference pictures."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sparsesr.cli import options
from sparsesr.errors import UsageError

if TYPE_CHECKING:
    from sparsesr.lab.evaluate.evaluation import ImageResult, SetResult
    from sparsesr.lab.evaluate.forms import Form
    from sparsesr.modelfile.spec import Facts

_MAX_SIGMA = 255
_CHECKPOINTS = (".pt", ".pth", ".ckpt")


def run(
    data: Annotated[
        Path, typer.Option("--data", help="Folder of HR pictures, or with SET/HR (and SET/LRx2_std).")
    ],
    model: Annotated[str | None, typer.Option("-n", "--model", help="Name, model file or .pt file.")] = None,
    sets: Annotated[list[str] | None, typer.Option("--set", help="Set to measure; repeat it. [all]")] = None,
    scale: Annotated[
        int | None, typer.Option("-s", "--scale", help="Enlargement. [the model's, or 2]")
    ] = None,
    form: Annotated[str, typer.Option("--form", help="native, or torch (needs [train]).")] = "native",
    inference: Annotated[
        str, typer.Option(help="whole, chopped (into crops), or auto: as the network's authors measure it.")
    ] = "auto",
    noise_sigma: Annotated[
        float, typer.Option("--noise-sigma", help="Noise on the small pictures, of 255; always the same.")
    ] = 0.0,
    threads: Annotated[int | None, typer.Option("-j", "--threads", help="Default: all cores.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per set on stdout.")] = False,
) -> int:
    """Measure PSNR and SSIM (luma, borders shaved), density, multiply-adds and time.

    The small pictures are read from SET/LRx2_std, or made as MATLAB's imresize does.
    """
    options.check_positive("-j", threads)
    if not 0 <= noise_sigma <= _MAX_SIGMA:
        raise UsageError(f"--noise-sigma must be 0 to {_MAX_SIGMA}, not {noise_sigma:g}")
    opened = _open(model, scale, form, threads)
    from sparsesr.lab.evaluate.evaluation import evaluate
    from sparsesr.lab.evaluate.forms import ChoppedForm, resolve_inference
    from sparsesr.lab.evaluate.protocol import find_sets

    facts = opened.model.facts
    inference = resolve_inference(inference, opened.model)
    opened = ChoppedForm(opened) if inference == "chopped" else opened
    for images in find_sets(data, facts.scale, sets or ()):
        if not as_json:
            noise = f", noise sigma {noise_sigma:g}" if noise_sigma else ""
            _print_head(images.name, facts, f"{form}, {inference}{noise}")
        progress = None if as_json else _print_image
        result = evaluate(opened, images, progress=progress, noise_sigma=noise_sigma)
        if as_json:
            about = {"model": facts.name, "scale": facts.scale, "form": form, "inference": inference}
            about = {**about, "noise_sigma": noise_sigma}
            print(json.dumps({**about, **result.to_json()}, allow_nan=False))
        else:
            _print_mean(result)
    return 0


def _open(model: str | None, scale: int | None, form: str, threads: int | None) -> Form:
    from sparsesr.cli.training_extra import require_training_extra
    from sparsesr.modelfile.catalogue import default_model_for

    name = model or default_model_for(scale or 2).name
    if form == "torch" or Path(name).suffix.lower() in _CHECKPOINTS:
        require_training_extra("eval of a checkpoint or in torch")
    from sparsesr.lab.evaluate.forms import open_form

    return open_form(name, form, threads, scale)


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
