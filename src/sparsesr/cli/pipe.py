"""``sparsesr pipe``: a worker for programs in other languages."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from functools import partial
from typing import Any, BinaryIO

from sparsesr.cli import messages, options, shared_options
from sparsesr.cli.int8_scales import ready_for
from sparsesr.cli.interrupts import interruptible, naming_interruptions
from sparsesr.cli.streams import STDIN, STDOUT, is_terminal, was_closed
from sparsesr.cli.tally import Tally
from sparsesr.engine.execute import RunOptions
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import SparsesrError, UsageError
from sparsesr.jobs.batch import Attempt
from sparsesr.jobs.files import FileResult, WriteOptions
from sparsesr.jobs.frames import FrameReader, write_frame
from sparsesr.jobs.pipe import upscale_frames
from sparsesr.jobs.record import failure_record, record_of
from sparsesr.limits import ImageLimits


def run(
    scale: shared_options.Scale = None,
    model: shared_options.Model = None,
    effort: shared_options.Effort = None,
    target_ms: shared_options.TargetMs = None,
    precision: shared_options.Precision = "auto",
    memory: shared_options.Memory = None,
    threads: shared_options.Threads = None,
    format: shared_options.Format = None,
    quality: shared_options.Quality = None,
    depth: shared_options.Depth = None,
) -> int:
    """Upscale images from standard input to standard output until it ends; the model is loaded once.

    A frame is a number of bytes in decimal, a newline, and the bytes. Each image is one frame, in any format that
    upscale reads. The answer is two frames: a JSON record, as of upscale --json, and the image, empty after an error.
    """
    options.check_precision(precision)
    options.check_effort(effort)
    options.check_target(target_ms, effort)
    options.check_positive("-j", threads)
    _check_streams()
    write_options = WriteOptions(format=format, quality=quality, depth=depth)
    upscaler = Upscaler(
        ready_for(precision, model, threads),
        scale=scale,
        threads=threads,
        memory=options.parse_memory(memory),
        precision=precision,
    )
    frames = FrameReader(sys.stdin.buffer, min(ImageLimits().max_file_bytes, upscaler.memory))
    watch = partial(_watching, effort, target_ms)
    outcomes = upscale_frames(upscaler, frames, write_options, watch)
    return _answer_all(outcomes, sys.stdout.buffer)


def _check_streams() -> None:
    """Raise UsageError for a terminal, or a stream that is closed."""
    streams = ((STDIN, sys.stdin), (STDOUT, sys.stdout))
    if any(was_closed(number) or is_terminal(stream) for number, stream in streams):
        raise UsageError(
            "images come from standard input and go to standard output",
            remedy="let a program start this command, or use `sparsesr upscale`",
        )


@contextmanager
def _watching(effort: float | None, target_ms: float | None, name: str) -> Generator[RunOptions, None, None]:
    with naming_interruptions(name), interruptible() as cancelled:
        yield RunOptions(effort, target_ms, cancelled=cancelled)


def _answer_all(outcomes: Iterable[tuple[str, Attempt]], sink: BinaryIO) -> int:
    """Answer each image as soon as it is done; return the exit status of all."""
    tally = Tally(0)
    for name, outcome in outcomes:
        _answer(sink, *_frames_of(name, outcome))
        if isinstance(outcome, SparsesrError):
            messages.print_error(outcome)
        tally.add(outcome)
    return tally.exit_status


def _frames_of(name: str, outcome: Attempt) -> tuple[dict[str, Any], bytes]:
    if isinstance(outcome, FileResult):
        record, image = record_of(outcome, name, ""), outcome.upscaled.image
        del record["output"]
        return record, image
    return failure_record(outcome, name, messages.option_of), b""


def _answer(sink: BinaryIO, record: dict[str, Any], image: bytes) -> None:
    write_frame(sink, messages.as_json(record).encode("ascii"))
    write_frame(sink, image)
    sink.flush()
