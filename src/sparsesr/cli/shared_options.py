"""Options that several commands share, declared once."""

from __future__ import annotations

from typing import Annotated

import typer

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
