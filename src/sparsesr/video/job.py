"""``upscale_video``: decode, enlarge and encode a clip, segment by segment."""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import av
import numpy as np

from sparsesr import __version__
from sparsesr.engine.execute import Cancelled, Progress, RunOptions
from sparsesr.engine.sequence import FrameSequence
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import CancelledError, InputError, SparsesrError, Wording
from sparsesr.video.ahead import Ahead
from sparsesr.video.clip import Clip, inspect
from sparsesr.video.copied import CopyPlan, check_copies, plan_copies
from sparsesr.video.decoding import Decoder, interlaced
from sparsesr.video.encoding import EncodeOptions, Encoding, plan_encoding
from sparsesr.video.enlarging import enlarged
from sparsesr.video.muxing import join
from sparsesr.video.segment_writing import write_segment
from sparsesr.video.segments import Segments

SEGMENT_FRAMES = 240
"""Frames of a segment: what a kill can cost, against a key frame for each."""
_DECODED_AHEAD, _ENLARGED_AHEAD = 3, 2


@dataclass(frozen=True)
class VideoOptions:
    """Options of a video job."""

    encode: EncodeOptions = field(default_factory=EncodeOptions)
    tolerance: float | None = 0.0
    """Largest change of a sample, 0..1, at which a pixel counts as unchanged; None: compute every frame whole."""
    effort: float | None = None
    deinterlace: bool = False
    resume: bool = False
    overwrite: bool = False
    segment_frames: int = SEGMENT_FRAMES


@dataclass(frozen=True)
class VideoResult:
    """A finished video."""

    clip: Clip
    encoding: Encoding
    frames: int
    resumed_frames: int
    """Of these, what an interrupted run had finished."""
    computed_share: float
    """Pixels that the network ran over, halos included, of those of all frames."""
    deviation_levels: float | None
    """Largest measured deviation of kept pixels from those of whole frames, in levels of 255; None if exact."""
    seconds: float
    early_notes: tuple[str, ...]
    """What was known before the work started."""
    later_notes: tuple[str, ...]
    """What became known by it."""
    models: tuple[str, ...]
    """The networks that ran."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What is different in the result, one sentence each."""
        return self.early_notes + self.later_notes

    @property
    def frames_per_second(self) -> float:
        """Speed of this run."""
        return (self.frames - self.resumed_frames) / self.seconds if self.seconds else 0.0


def upscale_video(
    upscaler: Upscaler,
    source: Path,
    output: Path,
    options: VideoOptions,
    *,
    on_notes: Callable[[tuple[str, ...]], None] | None = None,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> VideoResult:
    """Enlarge a video to the file ``output`` (see :func:`checked_output`).

    ``on_notes`` is called with what will be different in the result before the work starts, ``progress`` with
    (frames done, frames in all). Until the result is complete, finished segments are kept beside it.

    Raises:
        InputError, LimitError, UsageError, BackendError, ResultError: without a result; ``options.resume`` goes on
            after those that the user can remove, such as a full disk.
        CancelledError: ``cancelled`` returned True.
    """
    start = time.perf_counter()
    clip = inspect(source)
    if clip.is_interlaced and not options.deinterlace:
        raise interlaced(clip.name)
    work = _planned(upscaler, clip, output, options, cancelled)
    notes = (*clip.notes, *work.encoding.notes, *work.copies.notes)
    if on_notes is not None:
        on_notes(notes)
    segments = Segments(output, _settings(upscaler, work, options))
    with segments.opened(resume=options.resume, overwrite=options.overwrite), work.sequence.reserved():
        resumed = segments.frames
        try:
            _encode_all(work, segments, options, progress)
            join(
                segments,
                work.encoding,
                work.copies,
                output,
                overwrite=options.overwrite,
                cancelled=cancelled,
            )
        except SparsesrError as error:
            raise _with_advice(error, clip, segments) from error
        result = _result(upscaler, work, segments, resumed, notes)
        segments.remove()
    return replace(result, seconds=time.perf_counter() - start)


@dataclass
class _Work:
    """A planned job."""

    clip: Clip
    sequence: FrameSequence
    encoding: Encoding
    copies: CopyPlan
    cancelled: Cancelled | None
    decoder: Decoder


def _planned(
    upscaler: Upscaler, clip: Clip, output: Path, options: VideoOptions, cancelled: Cancelled | None
) -> _Work:
    run = RunOptions(options.effort, cancelled=cancelled)
    route = upscaler.route(clip.height, clip.width)
    threads = upscaler.network.session.threads
    asked_by = upscaler.output_size.parameter_of(route.factors)
    encoding = plan_encoding(clip, route.size, options.encode, output.suffix.lower(), threads, asked_by)
    sequence = FrameSequence(
        upscaler,
        (clip.height, clip.width),
        np.dtype(np.uint16),
        run,
        tolerance=options.tolerance,
        encoder_bytes=_held_bytes(clip, encoding),
    )
    copies = plan_copies(clip, encoding.suffix)
    check_copies(clip, copies, encoding.suffix, cancelled)
    return _Work(clip, sequence, encoding, copies, cancelled, Decoder(clip, options.deinterlace, cancelled))


def _held_bytes(clip: Clip, encoding: Encoding) -> int:
    """Memory beside the network and the current frame: pictures that wait, and those in the encoder."""
    decoded = (_DECODED_AHEAD + 2) * clip.height * clip.width * 6
    enlarged = (_ENLARGED_AHEAD + 3 + encoding.codec.held_frames) * encoding.frame_bytes
    return decoded + enlarged


def _settings(upscaler: Upscaler, work: _Work, options: VideoOptions) -> dict[str, Any]:
    """What finished segments depend on."""
    found = work.clip.path.stat()
    libraries = repr((av.__version__, av.library_versions))
    return {
        "input": [str(work.clip.path.resolve()), found.st_size, found.st_mtime_ns],
        **upscaler.settings,
        **work.encoding.settings,
        "effort": options.effort,
        "reuse": options.tolerance,
        "deinterlace": options.deinterlace,
        "segment_frames": options.segment_frames,
        "version": [__version__, hashlib.sha256(libraries.encode()).hexdigest()[:12]],
    }


def _encode_all(work: _Work, segments: Segments, options: VideoOptions, progress: Progress | None) -> None:
    """Encode what is missing; decoding, enlarging and encoding overlap."""
    count = options.segment_frames
    with (
        Ahead(work.decoder.pictures(segments.frames), _DECODED_AHEAD) as pictures,
        Ahead(
            enlarged(work.sequence, work.clip, work.encoding.form, iter(pictures), count), _ENLARGED_AHEAD
        ) as ready,
    ):
        frames = iter(ready)
        for first in frames:
            part = itertools.chain((first,), itertools.islice(frames, count - 1))
            segments.add(write_segment(work.encoding, segments, part, progress, work.clip.frames or 0))
    if not segments.done:
        raise InputError("has no frame that can be decoded", where=work.clip.name, remedy="repair it first")


def _result(
    upscaler: Upscaler, work: _Work, segments: Segments, resumed: int, notes: tuple[str, ...]
) -> VideoResult:
    done, frames = segments.done, segments.frames
    deviations = [each.deviation_levels for each in done if each.deviation_levels is not None]
    found = dict.fromkeys(note for segment in done for note in segment.notes)
    area = work.clip.height * work.clip.width
    return VideoResult(
        clip=work.clip,
        encoding=work.encoding,
        frames=frames,
        resumed_frames=resumed,
        computed_share=sum(segment.computed_px for segment in done) / (frames * area),
        deviation_levels=max(deviations, default=None),
        seconds=0.0,
        early_notes=notes,
        later_notes=(*found, *_irregularities(work.clip, segments)),
        models=tuple(upscaler.network_for(scale).name for scale in work.sequence.route.scales),
    )


def _irregularities(clip: Clip, segments: Segments) -> Iterator[str]:
    corrected = sum(segment.corrected for segment in segments.done)
    if corrected:
        yield f"{corrected} time stamps were missing or did not increase, and were corrected"
    shown = [pts for segment in segments.done for _, pts, _ in segment.packets]
    end = float((max(shown) - min(shown) + segments.done[-1].last_duration) * clip.time_base)
    if clip.seconds is not None and end < clip.seconds - max(1.0, 0.02 * clip.seconds):
        yield f"the input ends after {end:.1f} s, although it states {clip.seconds:.1f} s: it may be cut off"


def _with_advice(error: SparsesrError, clip: Clip, segments: Segments) -> SparsesrError:
    """The error, with what remains of the work."""
    error.where = error.where or clip.name
    if isinstance(error, CancelledError):
        going_on = Wording(f"{segments.frames} frames are kept; the same command with {{}} goes on", "resume")
        remedy = going_on if segments.done else "nothing was written for it"
        return CancelledError("interrupted", where=error.where, remedy=remedy)
    if segments.done and isinstance(error, InputError):
        error.what = f"{error.what}; {segments.frames} finished frames are kept"
    return error
