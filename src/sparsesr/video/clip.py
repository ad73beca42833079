"""``Clip``: what is known of a video before it is enlarged; what cannot be kept is refused or noted here."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from av import time_base as microseconds
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

from sparsesr.errors import InputError, LimitError
from sparsesr.image.source import printable
from sparsesr.limits import ImageLimits
from sparsesr.video.hdr import Hdr
from sparsesr.video.opening import opened, unreadable
from sparsesr.video.pixel_formats import SampleForm, refuse_transparency, sample_form
from sparsesr.video.side_data import hdr_of, lost_side_data, matrix_of, refuse_side_data
from sparsesr.video.tags import ColourTags, tags_of

_USUAL_RATE = Fraction(25)
_UNKNOWN_ORDER, _PROGRESSIVE = 0, 1


@dataclass(frozen=True)
class Clip:
    """A video file that can be enlarged."""

    path: Path
    width: int
    height: int
    """As coded, before rotation."""
    codec: str
    """FFmpeg's name, such as ``h264``."""
    samples: SampleForm
    tags: ColourTags
    time_base: Fraction
    """Unit of time stamps in seconds."""
    rate: Fraction
    """Frames per second, on average."""
    frames: int | None
    """Number of frames as the file states it, or estimated from its duration."""
    seconds: float | None
    aspect: Fraction
    """Width of a pixel / its height."""
    rotation: tuple[int, ...] | None
    """The display matrix, if there is one."""
    hdr: Hdr
    is_interlaced: bool
    notes: tuple[str, ...]
    """What will be different in the result."""

    @property
    def name(self) -> str:
        """For messages."""
        return printable(self.path)


def video_stream(container: InputContainer, name: str) -> VideoStream:
    """The first video that is no cover picture; InputError if there is none."""
    videos = [each for each in container.streams.video if not each.disposition & Disposition.attached_pic]
    if not videos:
        raise InputError("has no video", where=name, remedy="name a file with a video stream")
    if videos[0].codec_context is None:  # pyright: ignore[reportUnnecessaryComparison]
        raise InputError("FFmpeg cannot decode its video", where=name, remedy="convert it first")
    return videos[0]


def inspect(path: Path) -> Clip:
    """Read the headers of a video and its first frame.

    Raises:
        InputError: the file is no video, is cut off, or something in it cannot be kept.
        LimitError: its pictures are too large.
    """
    with opened(path) as container:
        return _clip(path, container)


def _clip(path: Path, container: InputContainer) -> Clip:
    name = printable(path)
    stream = video_stream(container, name)
    _check_size(stream, name)
    _check_complete(stream, path)
    try:
        frame = next(container.decode(stream), None)
    except (FFmpegError, ValueError) as error:
        raise unreadable(path, error, " from its first frame on") from error
    if frame is None:
        raise InputError("has no frame that can be decoded", where=name, remedy="repair it first")
    refuse_side_data(frame, name)
    form = sample_form(frame.format, name)
    refuse_transparency(frame, form, name)
    tags, notes = tags_of(frame, is_rgb=form.is_rgb, is_grey=form.is_grey, where=name)
    rate = stream.average_rate or stream.guessed_rate or _USUAL_RATE
    seconds = _seconds(container, stream)
    return Clip(
        path=path,
        width=frame.width,
        height=frame.height,
        codec=stream.codec_context.name,
        samples=form,
        tags=tags,
        time_base=stream.time_base or 1 / rate,
        rate=rate,
        frames=stream.frames or (None if seconds is None else max(1, round(seconds * rate))),
        seconds=seconds,
        aspect=stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or Fraction(1),
        rotation=matrix_of(frame),
        hdr=hdr_of(frame),
        is_interlaced=frame.interlaced_frame
        or stream.codec_context.field_order not in (_UNKNOWN_ORDER, _PROGRESSIVE),
        notes=(*notes, *lost_side_data(frame)),
    )


def _seconds(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if container.duration is None:
        return None
    # Matroska states the time at which the file ends, although its streams may start late.
    late = max(container.start_time or 0, 0) if "matroska" in container.format.name else 0
    return max(container.duration - late, 0) / microseconds


def _check_size(stream: VideoStream, name: str) -> None:
    limits, width, height = ImageLimits(), stream.codec_context.width, stream.codec_context.height
    if width * height > limits.max_pixels or max(width, height) > limits.max_side_px:
        raise LimitError(f"{width}x{height} px is over the limit for one picture", where=name)


def _check_complete(stream: VideoStream, path: Path) -> None:
    """Refuse a file whose index names pictures beyond its end, before hours of work."""
    entries, size = stream.index_entries, path.stat().st_size
    if len(entries) and entries[-1].pos + entries[-1].size > size:
        missing = sum(1 for entry in entries if entry.pos + entry.size > size)
        raise InputError(
            f"is cut off: {missing} of {len(entries)} pictures are missing",
            where=printable(path),
            remedy="get the whole file, or repair it with FFmpeg first",
        )
