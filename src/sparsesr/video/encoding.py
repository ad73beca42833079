"""How a clip is encoded: pixel format, colour tags, quality; and streams with that encoder."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from av import CodecContext, VideoFrame
from av.codec.context import Flags
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from sparsesr.errors import Parameter, UsageError, Wording
from sparsesr.video.clip import Clip
from sparsesr.video.codecs import Codec, checked_crf, checked_preset, codec_for
from sparsesr.video.colour import Planes, YuvForm
from sparsesr.video.containers import container_format
from sparsesr.video.pixel_formats import samples_of
from sparsesr.video.scheduling import unchanged_scheduling

_CHROMA = {(1, 1): "420", (0, 1): "422", (0, 0): "444"}
_DEPTHS = (8, 10)
_EVEN_SIDES = Wording("choose even {} and {}", "width", "height")
_EVEN_SIZES = {
    "scale": Wording("choose another {}, such as 2, or even {} and {}", "scale", "width", "height"),
    "fit": Wording("choose another {}, or even {} and {} instead", "fit", "width", "height"),
}
"""Advice by the parameter that asks for a size with odd sides."""

os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 prints its settings otherwise, and has no other switch


@dataclass(frozen=True)
class EncodeOptions:
    """What the user chose; None: as the input, or the default of the codec."""

    codec: str | None = None
    crf: int | None = None
    preset: str | None = None
    depth: int | None = None
    """Bits per sample, 8 or 10."""


@dataclass(frozen=True)
class Encoding:
    """How the enlarged clip is encoded."""

    clip: Clip
    codec: Codec
    size: tuple[int, int]
    """(height, width)."""
    form: YuvForm
    pixel_format: str
    crf: int
    preset: str
    suffix: str
    threads: int
    notes: tuple[str, ...] = ()

    @property
    def settings(self) -> dict[str, Any]:
        """What the encoded bytes depend on."""
        return {
            "codec": self.codec.name,
            "crf": self.crf,
            "preset": self.preset,
            "pixel_format": self.pixel_format,
            "size": f"{self.size[1]}x{self.size[0]}",
            "encoder_threads": self.threads,
        }

    @property
    def frame_bytes(self) -> int:
        """Bytes of an encoded picture's planes."""
        height, width = self.size
        rows, columns = (0, 0) if self.form.is_grey else self.form.chroma_size(height, width)
        return (height * width + 2 * rows * columns) * np.dtype(self.form.dtype).itemsize

    def add_to(self, container: OutputContainer) -> VideoStream:
        """A stream with the encoder, not opened yet."""
        clip = self.clip
        stream = cast("VideoStream", cast("Any", container).add_stream(self.codec.encoder, rate=clip.rate))
        self._configure(stream.codec_context)
        stream.time_base = clip.time_base
        if self.codec.name == "h265" and self.suffix in (".mp4", ".m4v", ".mov"):
            stream.codec_context.codec_tag = "hvc1"  # Apple's players take no other
        if clip.rotation is not None:
            stream.set_display_matrix(clip.rotation)
        return stream

    def opened_encoder(self) -> VideoCodecContext:
        """The encoder alone, opened; its packets fit a stream of :meth:`add_to`."""
        context = cast("VideoCodecContext", CodecContext.create(self.codec.encoder, "w"))
        self._configure(context)
        context.flags |= Flags.global_header
        start_encoder(context)
        return context

    def _configure(self, context: VideoCodecContext) -> None:
        clip = self.clip
        context.height, context.width = self.size
        context.pix_fmt = self.pixel_format
        context.time_base, context.framerate = clip.time_base, clip.rate
        context.sample_aspect_ratio = clip.aspect
        context.color_range, context.colorspace = clip.tags.range, clip.tags.matrix
        context.color_primaries, context.color_trc = clip.tags.primaries, clip.tags.transfer
        context.thread_count = self.threads
        parameters = ":".join((*self.codec.quiet, *self.codec.hdr_parameters(clip.hdr)))
        context.options = {"crf": str(self.crf), "preset": self.preset}
        if parameters:
            context.options = {**context.options, self.codec.parameters_option: parameters}

    def frame(self, planes: Planes, pts: int) -> VideoFrame:
        """The frame to encode."""
        frame = VideoFrame(self.size[1], self.size[0], self.pixel_format)
        for target, source in zip(frame.planes, planes, strict=False):
            samples_of(target, source.dtype)[:] = source
        if self.form.is_grey and len(frame.planes) > 1:  # an encoder without grey
            for target in frame.planes[1:]:
                samples_of(target, np.dtype(self.form.dtype))[:] = 2 ** (self.form.bits - 1)
        frame.pts, frame.time_base = pts, self.clip.time_base
        return frame

    def check(self) -> None:
        """Open the encoder and the container once; UsageError if they refuse."""
        try:
            with av.open(io.BytesIO(), "w", format=container_format(self.suffix)) as trial:
                self.add_to(trial)
                start_encoder(trial)
        except (FFmpegError, ValueError) as error:
            height, width = self.size
            raise UsageError(
                f"the encoder {self.codec.encoder} refuses {width}x{height} {self.pixel_format} in {self.suffix}"
                f" ({getattr(error, 'strerror', None) or error})",
                where=Parameter("codec"),
                remedy=Wording("choose another {}, {} or {}", "codec", "scale", "output"),
            ) from error


def start_encoder(encoder: VideoCodecContext | OutputContainer) -> None:
    """Open an encoder, alone or those of a container; nothing else may, since some change the scheduling of threads."""
    with unchanged_scheduling():
        if isinstance(encoder, VideoCodecContext):
            encoder.open()
        else:
            encoder.start_encoding()


def plan_encoding(
    clip: Clip,
    size: tuple[int, int],
    options: EncodeOptions,
    suffix: str,
    threads: int,
    size_parameter: str = "scale",
) -> Encoding:
    """Choose codec and pixel format for a result of (height, width) in a file with this suffix.

    ``size_parameter`` asked for the size.

    Raises:
        UsageError: an option has an invalid value, or encoder or container refuse the result.
        BackendError: the encoder is missing.
    """
    if options.depth not in (None, *_DEPTHS):
        raise UsageError(f"must be 8 or 10, not {options.depth}", where=Parameter("depth"))
    codec = codec_for(options.codec, clip.codec, suffix)
    bits = options.depth or (_DEPTHS[0] if clip.samples.bits == _DEPTHS[0] else _DEPTHS[1])
    _check_width(size, codec, size_parameter)
    name, halvings, notes = _pixel_format(clip, codec, bits)
    is_grey = clip.samples.is_grey
    _check_sides(size, (1, 1) if is_grey and not name.startswith("gray") else halvings, size_parameter)
    form = YuvForm(bits, clip.tags.luma_weights, clip.tags.is_full_range, halvings, is_grey)
    crf, preset = checked_crf(codec, options.crf), checked_preset(codec, options.preset)
    encoding = Encoding(
        clip, codec, size, form, name, crf, preset, suffix, threads, (*notes, *_lost(clip, codec, suffix))
    )
    encoding.check()
    return encoding


def _pixel_format(clip: Clip, codec: Codec, bits: int) -> tuple[str, tuple[int, int], list[str]]:
    """The encoder's format nearest to the input's, the halvings of its chroma, and notes of what is lost."""
    samples, known, tail = clip.samples, codec.pixel_formats(), "" if bits == _DEPTHS[0] else "10le"
    notes = (
        [f"{samples.bits} bits are written as {bits}"] if samples.bits > bits and not samples.is_rgb else []
    )
    if samples.is_grey:
        name = f"gray{tail}"
        return name if name in known else f"yuv420p{tail}", (0, 0), notes
    halvings = (min(samples.halvings[0], 1), min(samples.halvings[1], 1))
    halvings = halvings if halvings in _CHROMA else (0, 0)
    if f"yuv{_CHROMA[halvings]}p{tail}" not in known:
        halvings = (1, 1)
    if halvings != samples.halvings:
        notes.append(f"{samples.name} is written with chroma 4:{_CHROMA[halvings][1]}:{_CHROMA[halvings][2]}")
    return f"yuv{_CHROMA[halvings]}p{tail}", halvings, notes


def _check_width(size: tuple[int, int], codec: Codec, parameter: str) -> None:
    height, width = size
    if width < codec.least_width_px:
        raise UsageError(
            f"the result would have {width}x{height} px, and {codec.name} needs a width of {codec.least_width_px}",
            where=Parameter("codec"),
            remedy=Wording("choose another {} or a larger {}", "codec", parameter),
        )


def _check_sides(size: tuple[int, int], halvings: tuple[int, int], parameter: str) -> None:
    height, width = size
    if height % (1 << halvings[0]) or width % (1 << halvings[1]):
        raise UsageError(
            f"the result would have {width}x{height} px, and its chroma needs even sides",
            where=Parameter(parameter),
            remedy=_EVEN_SIZES.get(parameter, _EVEN_SIDES),
        )


def _lost(clip: Clip, codec: Codec, suffix: str) -> list[str]:
    if clip.aspect != Fraction(1) and codec.name == "av1" and suffix in (".mkv", ".webm"):
        return [f"not kept: the aspect ratio of pixels ({clip.aspect}), with AV1 in {suffix}"]
    return []
