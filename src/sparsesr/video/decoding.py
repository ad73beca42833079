"""Decoding: the frames of a clip in order, as RGB, with increasing time stamps."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from av import VideoFrame
from av.container import InputContainer
from av.error import EOFError as EndOfFile
from av.error import FFmpegError

from sparsesr.engine.execute import Cancelled
from sparsesr.errors import InputError, Wording, check_cancelled
from sparsesr.video.clip import Clip, video_stream
from sparsesr.video.colour import Converted, YuvForm, to_rgb
from sparsesr.video.deinterlacing import Deinterlacer
from sparsesr.video.opening import opened, unreadable
from sparsesr.video.pixel_formats import planes_of, refuse_transparency


@dataclass(frozen=True)
class Picture:
    """A decoded frame."""

    pts: int
    """Time of display, in the clip's time base."""
    duration: int
    """How long it is displayed, in that unit."""
    is_corrected: bool
    """True if its time stamp was missing or did not increase."""
    rgb: npt.NDArray[np.uint16]
    """(H, W, 3)."""


@dataclass
class Decoder:
    """Decodes a clip once."""

    clip: Clip
    deinterlace: bool = False
    cancelled: Cancelled | None = None
    _last: int | None = field(default=None, init=False)
    _converted: Converted | None = field(default=None, init=False)

    def pictures(self, skip: int = 0) -> Generator[Picture, None, None]:
        """The frames after the first ``skip``.

        These are decoded too, as files do not always let one start at an exact frame. Raises InputError where the
        file is damaged, or its pictures change their size or become interlaced, and CancelledError.
        """
        with opened(self.clip.path) as container:
            for index, frame in enumerate(self._frames(container)):
                check_cancelled(self.cancelled)
                times = self._times(frame)
                if index >= skip:
                    yield Picture(*times, self._rgb(frame))

    def _frames(self, container: InputContainer) -> Iterator[VideoFrame]:
        frames = self._decoded(container)
        if not self.deinterlace:
            return frames
        return Deinterlacer(video_stream(container, self.clip.name)).filtered(frames)

    def _decoded(self, container: InputContainer) -> Iterator[VideoFrame]:
        stream = video_stream(container, self.clip.name)
        stream.thread_type = "AUTO"
        stream.codec_context.options = {"err_detect": "explode"}
        stated_end = 0.0
        try:
            for packet in container.demux(stream):
                stated_end = float(packet.pts * packet.time_base) if packet.pts is not None else stated_end
                for frame in packet.decode():
                    self._check(frame)
                    yield frame
        except EndOfFile:
            return
        except FFmpegError as error:
            raise unreadable(self.clip.path, error, f" at {stated_end:.2f} s") from error

    def _check(self, frame: VideoFrame) -> None:
        clip = self.clip
        if frame.is_corrupt:
            raise InputError("holds a damaged picture", where=self._place(frame), remedy="repair it first")
        if (frame.width, frame.height) != (clip.width, clip.height) or frame.format.name != clip.samples.name:
            raise InputError(
                f"its pictures change from {clip.width}x{clip.height} {clip.samples.name}"
                f" to {frame.width}x{frame.height} {frame.format.name}",
                where=self._place(frame),
                remedy="split it there first",
            )
        refuse_transparency(frame, clip.samples, self._place(frame))
        if frame.interlaced_frame and not self.deinterlace:
            raise interlaced(self._place(frame))

    def _place(self, frame: VideoFrame) -> str:
        return self.clip.name if frame.pts is None else f"{self.clip.name} at {frame.time:.2f} s"

    def _times(self, frame: VideoFrame) -> tuple[int, int, bool]:
        """The time stamp, the duration, and whether the first was corrected: a missing one follows the frame before."""
        unit = (frame.time_base or self.clip.time_base) / self.clip.time_base
        duration = int(frame.duration * unit) or max(1, int(1 / self.clip.rate / self.clip.time_base))
        stated = None if frame.pts is None else _rounded(frame.pts * unit)
        pts = stated
        if pts is None or (self._last is not None and pts <= self._last):
            step = duration if pts is None else 1
            pts = 0 if self._last is None else self._last + step
        self._last = pts
        return pts, duration, pts != stated

    def _rgb(self, frame: VideoFrame) -> npt.NDArray[np.uint16]:
        samples = self.clip.samples
        planes = planes_of(frame, samples)
        if samples.is_rgb:
            return planes[0].astype(np.uint16) * (257 if samples.bits == 8 else 1)
        rgb = to_rgb(yuv_form(self.clip), planes, self._converted)
        self._converted = Converted(tuple(plane.copy() for plane in planes), rgb)
        return rgb


def yuv_form(clip: Clip) -> YuvForm:
    """What the samples of a clip mean; not for RGB."""
    samples = clip.samples
    return YuvForm(
        samples.bits, clip.tags.luma_weights, clip.tags.is_full_range, samples.halvings, samples.is_grey
    )


def interlaced(where: str) -> InputError:
    """The error for interlaced pictures."""
    return InputError(
        "is interlaced: each picture holds two moments", where=where, remedy=Wording("pass {}", "deinterlace")
    )


def _rounded(value: Fraction) -> int:
    return value.numerator if value.denominator == 1 else round(value)
