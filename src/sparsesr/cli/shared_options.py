"""Options that several commands share, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

TOKEN_VARIABLE = "SPARSESR_TOKEN"  # noqa: S105
"""Environment variable with the secret of `serve`."""
Scale = Annotated[int | None, typer.Option("-s", "--scale", help="Upscaling factor. [default: 2]")]
AnyScale = Annotated[
    float | None, typer.Option("-s", "--scale", help="Upscaling factor, such as 2 or 1.5. [default: 2]")
]
Width = Annotated[int | None, typer.Option(help="Width of the result in pixels, instead of a factor.")]
Height = Annotated[int | None, typer.Option(help="Height of the result in pixels.")]
Fit = Annotated[
    str | None, typer.Option(metavar="WxH", help="Largest result within a box, such as 1920x1080.")
]
Model = Annotated[
    str | None, typer.Option("-n", "--model", help="Model name or .safetensors file. [default: bundled]")
]
Effort = Annotated[float | None, typer.Option(help="Amount of computation, 0 to 1. [default: as trained]")]
TargetMs = Annotated[
    float | None,
    typer.Option("--target-ms", help="Choose the effort that takes this many milliseconds per image."),
]
Precision = Annotated[str, typer.Option(help="auto, fp32, bf16 or int8.")]
Memory = Annotated[str | None, typer.Option(help="Limit on peak memory. [default: half of what is free]")]
Threads = Annotated[
    int | None, typer.Option("-j", "--threads", help="Number of threads. [default: all cores]")
]
Depth = Annotated[int | None, typer.Option(help="Bits per sample, 8 or 16. [default: as the input]")]
ChangedModel = Annotated[
    Path | None, typer.Option("-o", "--output", help="File to write. [default: the model's own file]")
]
CalibrationFolder = Annotated[
    Path | None,
    typer.Option("--data", help="Folder of HR images to calibrate on. [default: four bundled photographs]"),
]
NoiseSigma = Annotated[
    float,
    typer.Option(
        "--noise-sigma",
        help="Standard deviation of noise added to the LR images, of 255; identical in each run.",
    ),
]
OverwriteModel = Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")]
Inference = Annotated[
    str, typer.Option(help="whole, chopped (into crops), or auto: as the model's authors use it.")
]
Recursive = Annotated[bool, typer.Option("-r", "--recursive", help="Include subfolders.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")]
SkipExisting = Annotated[bool, typer.Option("--skip-existing", help="Take existing output files as done.")]
Format = Annotated[
    str | None,
    typer.Option("-f", "--format", help="jpg, png, webp, tif, avif or jxl. [default: as the input]"),
]
Quality = Annotated[int | None, typer.Option(help="Quality of JPEG, WebP and AVIF, 1 to 100. [default: 95]")]
Lossless = Annotated[bool, typer.Option("--lossless", help="Write WebP and AVIF without loss.")]
Strip = Annotated[bool, typer.Option("--strip", help="Leave out all metadata but the colour profile.")]
PreserveTime = Annotated[
    bool, typer.Option("--preserve-time", help="Keep the time of modification of the input.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object per file.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print errors only.")]
