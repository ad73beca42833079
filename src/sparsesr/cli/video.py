"""``sparsesr video``: upscale a video."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from sparsesr.cli import messages, options, shared_options
from sparsesr.cli.int8_scales import ready_for
from sparsesr.cli.interrupts import interruptible
from sparsesr.cli.progress import progress_bar
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import CancelledError, SparsesrError, UsageError
from sparsesr.extras import require_extra
from sparsesr.image.source import check_readable, printable
from sparsesr.jobs.local_names import local_name
from sparsesr.jobs.record import failure_record


def run(
    source: Annotated[str, typer.Argument(metavar="INPUT", help="A video file.")],
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            help="File (.mp4, .m4v, .mov, .mkv, .webm) or folder. [default: beside the input]",
        ),
    ] = None,
    scale: shared_options.AnyScale = None,
    width: shared_options.Width = None,
    height: shared_options.Height = None,
    fit: shared_options.Fit = None,
    model: shared_options.Model = None,
    effort: shared_options.Effort = None,
    precision: shared_options.Precision = "auto",
    memory: shared_options.Memory = None,
    threads: shared_options.Threads = None,
    codec: Annotated[
        str | None, typer.Option(help="h264, h265 or av1. [default: as the input, or h264]")
    ] = None,
    crf: Annotated[
        int | None, typer.Option(help="Quality of the encoder, lower is better. [default: 17, 19 or 22]")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Speed of the encoder. [default: medium; 8 for av1]")
    ] = None,
    depth: Annotated[
        int | None, typer.Option(help="Bits per sample, 8 or 10. [default: as the input]")
    ] = None,
    reuse: Annotated[
        str,
        typer.Option(
            metavar="T",
            help="Keep results where pixels changed by at most T, such as 2/255; off: compute every frame whole.",
        ),
    ] = "0",
    deinterlace: Annotated[
        bool, typer.Option("--deinterlace", help="Make one picture of the two fields of interlaced frames.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on after an interruption; finished parts are kept.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file, and parts left by an interruption.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print errors only.")] = False,
) -> int:
    """Upscale a video: clip.mp4 becomes clip_x2.mp4 beside it.

    Audio, subtitles, chapters and time stamps are kept. Of each frame, only what changed is computed.
    """
    require_extra("video", "video", "av")
    from sparsesr.video.containers import checked_output
    from sparsesr.video.encoding import EncodeOptions
    from sparsesr.video.job import VideoOptions, upscale_video
    from sparsesr.video.report import record_of, sentence

    options.check_precision(precision)
    options.check_effort(effort)
    options.check_positive("-j", threads)
    job = VideoOptions(
        EncodeOptions(codec, crf, preset, depth), parse_reuse(reuse), effort, deinterlace, resume, overwrite
    )
    path = Path(local_name(source))
    wanted = None if output is None else local_name(output, is_output=True)
    with _recording_failure(path, as_json):
        check_readable(path)
    upscaler = Upscaler(
        ready_for(precision, model, threads),
        scale=scale,
        width=width,
        height=height,
        fit=options.parse_fit(fit),
        threads=threads,
        memory=options.parse_memory(memory),
        precision=precision,
    )
    is_silent = quiet or as_json
    with _recording_failure(path, as_json):
        target = checked_output(path, wanted, upscaler.label, overwrite=overwrite)
        with (
            interruptible() as cancelled,
            progress_bar(printable(path), quiet=is_silent, unit="frames") as progress,
        ):
            on_notes = None if is_silent else _print_notes
            done = upscale_video(
                upscaler, path, target, job, on_notes=on_notes, progress=progress, cancelled=cancelled
            )
    if as_json:
        messages.print_json(record_of(upscaler, done, path, target))
    elif not quiet:
        messages.say(sentence(done, printable(path), printable(target)))
        _print_notes(done.later_notes)
    return 0


def parse_reuse(text: str) -> float | None:
    """``2/255`` or ``0.01`` -> a share of 1; ``off`` -> None; UsageError for anything else."""
    if text == "off":
        return None
    is_number = re.fullmatch(r"\d+(\.\d+)?(/[1-9]\d*)?", text)
    value = Fraction(text) if is_number and not ("/" in text and "." in text) else None
    if value is None or value >= 1:
        raise UsageError(
            f"--reuse {text!r} is no share of the brightest sample", remedy="write it like 0, 2/255 or off"
        )
    return float(value)


@contextmanager
def _recording_failure(path: Path, as_json: bool) -> Generator[None, None, None]:
    """Print the JSON record of an error, which is raised again."""
    try:
        yield
    except (SparsesrError, KeyboardInterrupt) as error:
        failed = error if isinstance(error, SparsesrError) else _interrupted(path)
        if as_json:
            messages.print_json(failure_record(failed, path, messages.option_of))
        raise failed from error


def _interrupted(path: Path) -> CancelledError:
    return CancelledError("interrupted", where=printable(path), remedy="nothing was written for it")


def _print_notes(notes: tuple[str, ...]) -> None:
    for note in notes:
        messages.say(f"  note: {note}", to_stderr=True)
