"""``sparsesr models export``: write a model in a format of other programs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from sparsesr.cli import options
from sparsesr.cli.messages import print_json
from sparsesr.engine.chop import has_pixel_attention
from sparsesr.errors import InputError, ModelError, UsageError
from sparsesr.extras import require_extra
from sparsesr.image.destination import atomic_file
from sparsesr.modelfile import catalogue
from sparsesr.modelfile.spec import ModelFile, scale_words
from sparsesr.runtime.graph.receptive_field import sees_whole_image

_FORMATS, _MASKS = ("onnx",), ("keep", "drop")


@dataclass(frozen=True)
class _Form:
    """What is written, apart from the network."""

    size: tuple[int, int] | None
    """Height and width of the input; None: any."""
    keeps_masks: bool


def run(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model name or .safetensors file.")],
    format: Annotated[str, typer.Option("--format", help="Format of the file: onnx.")] = "onnx",
    static: Annotated[
        str | None,
        typer.Option(help="Fixed size of the input: 512, or WxH. [default: any size]"),
    ] = None,
    masks: Annotated[
        str,
        typer.Option(
            help="keep: the result of upscale, by multiplication; drop: smaller, every pixel computed in full."
        ),
    ] = "keep",
    scale: Annotated[
        int | None, typer.Option("-s", "--scale", help="Upscaling factor, for models of several scales.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="File to write. [default: MODEL_x2.onnx in this folder]"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Write a model as an ONNX file for onnxruntime, OpenVINO, FFmpeg, darktable and others.

    One input (1, 3, H, W) and one output, RGB in 0..1, fp32. Other programs cannot skip pixels.
    If onnxruntime is installed, the file is compared with our own run before it is written.
    """
    _check_choice("--format", format, _FORMATS)
    _check_choice("--masks", masks, _MASKS)
    form = _Form(_static_size(static), masks == "keep")
    require_extra("onnx", "models export", "onnx")
    loaded = _loaded(model, scale)
    path = output or Path(_default_name(loaded, static))
    _check_path(path, overwrite)
    serialized = _serialized(loaded, form)
    difference = _largest_difference(loaded, form, serialized)
    with atomic_file(path, overwrite=overwrite) as file:
        file.write(serialized)
    if as_json:
        print_json(_record(path, loaded, form, len(serialized), difference))
    else:
        _report(path, loaded, form, len(serialized), difference)
    return 0


def _check_choice(option: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise UsageError(f"{option} {given!r} is unknown", remedy=f"use {' or '.join(known)}")


def _static_size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    width, height = options.parse_size(
        "--static", f"{text}x{text}" if text.isdecimal() else text, options.MOST_SIDE_PX
    )
    return height, width


def _loaded(name: str, scale: int | None) -> ModelFile:
    model = catalogue.load(name)
    if scale not in (None, *model.scales):
        raise UsageError(f"-s {scale}: {model.facts.name} upscales {scale_words(model.scales)}")
    return model.at_scale(scale)


def _default_name(model: ModelFile, static: str | None) -> str:
    """The model's name, its scale unless the name ends in it, and the fixed size."""
    scale, size = f"_x{model.facts.scale}", "" if static is None else f"_{static}"
    return f"{model.facts.name.removesuffix(scale)}{scale}{size}.onnx"


def _check_path(path: Path, overwrite: bool) -> None:
    if path.suffix != ".onnx":
        raise UsageError("ONNX files end in .onnx", where=str(path))
    if path.exists() and not overwrite:
        raise InputError("exists", where=str(path), remedy="pass --overwrite or another -o")
    if not path.parent.is_dir():
        raise InputError(
            "the folder does not exist", where=str(path), remedy="create it or choose another -o"
        )


def _serialized(model: ModelFile, form: _Form) -> bytes:
    from sparsesr.interchange.dense_model import dense_model
    from sparsesr.interchange.onnx_model import to_onnx

    return to_onnx(model if form.keeps_masks else dense_model(model), form.size).SerializeToString()


def _largest_difference(model: ModelFile, form: _Form, serialized: bytes) -> float | None:
    """Difference from our own run, if it can be measured; ModelError if it is not rounding."""
    from sparsesr.measure.onnx_check import compare

    if has_pixel_attention(model.graph) and form.size is not None:
        return None  # a large tile would need more memory than there is
    difference = compare(model, serialized, form.size, has_masks=form.keeps_masks)
    if difference is not None and not difference.is_rounding:
        raise ModelError(
            f"the ONNX file differs from our own run by {difference.largest:.2g}; nothing was written",
            where=model.facts.name,
            remedy="please report this with `sparsesr doctor`",
        )
    return None if difference is None else difference.largest


def _notes(model: ModelFile, form: _Form) -> list[str]:
    """What users of the file should know."""
    if has_pixel_attention(model.graph):
        return [
            "pixels attend to each other: memory grows with the square of the image's size; use small tiles"
        ]
    if form.size is not None and sees_whole_image(model.graph):
        return ["the network looks at the whole image, so that tiles change the result slightly"]
    return []


def _report(path: Path, model: ModelFile, form: _Form, size_bytes: int, difference: float | None) -> None:
    size = "any size" if form.size is None else f"{form.size[1]}x{form.size[0]} only"
    compared = "not compared with our own run"
    if difference is not None:
        compared = f"differs from our own run by {difference:.1g} at most"
    masks = "with masks" if form.keeps_masks else "without masks"
    print(f"{path}: x{model.facts.scale}, {size}, {masks}, {size_bytes / 1e6:.1f} MB; {compared}")
    for note in _notes(model, form):
        print(f"  note: {note}", file=sys.stderr)


def _record(
    path: Path, model: ModelFile, form: _Form, size_bytes: int, difference: float | None
) -> dict[str, Any]:
    return {
        "output": str(path),
        "model": model.facts.name,
        "scale": model.facts.scale,
        "width": None if form.size is None else form.size[1],
        "height": None if form.size is None else form.size[0],
        "masks": "keep" if form.keeps_masks else "drop",
        "bytes": size_bytes,
        "largest_difference": difference,
        "notes": _notes(model, form),
    }
