"""Pixel formats of decoded frames: how their samples are read, and which cannot be kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from av import VideoFormat, VideoFrame
from av.video.plane import VideoPlane

from sparsesr.errors import InputError

Pixels = npt.NDArray[Any]

_REPACKED = {
    "nv12": "yuv420p",
    "nv21": "yuv420p",
    "nv16": "yuv422p",
    "nv24": "yuv444p",
    "p010le": "yuv420p10le",
    "yuyv422": "yuv422p",
    "uyvy422": "yuv422p",
    "yvyu422": "yuv422p",
}
"""Formats that swscale changes into planes without touching a sample."""
_ALPHA_AT = {"bgra": 3, "rgba": 3, "argb": 0, "abgr": 0}
"""Place of alpha in formats that decoders also use for opaque pictures, as FFmpeg does for every GIF."""
_MOST_BITS, _OPAQUE = 16, 255


@dataclass(frozen=True)
class SampleForm:
    """How the samples of a pixel format are arranged."""

    name: str
    """The format of the stream."""
    read_as: str
    """The format into which frames are brought without loss: planes, or RGB (``rgb24``, ``rgb48le``)."""
    bits: int
    halvings: tuple[int, int] = (0, 0)
    """How often chroma is halved, (down, across)."""
    is_grey: bool = False
    is_rgb: bool = False
    alpha_at: int | None = None
    """Which sample of a pixel is alpha, that must be opaque."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples of planes."""
        order = ">" if self.read_as.endswith("be") else "<"
        return np.dtype(np.uint8) if self.bits == 8 else np.dtype(f"{order}u2")


def sample_form(form: VideoFormat, where: str) -> SampleForm:
    """The arrangement of a pixel format.

    Raises:
        InputError: it is always for transparency, or is unusual. See :func:`refuse_transparency` for others.
    """
    name = form.name
    components = form.components
    alpha_at = _ALPHA_AT.get(name)
    if alpha_at is None and any(part.is_alpha for part in components) and not _is_padding(name):
        raise _transparent(name, where)
    if name in _REPACKED:
        return sample_form(VideoFormat(_REPACKED[name]), where)
    bits = components[0].bits if components else 0
    if (form.is_rgb and not form.is_bayer and 8 <= bits <= _MOST_BITS) or form.has_palette:
        read_as, bits = ("rgb24", 8) if bits == 8 else ("rgb48le", 16)
        return SampleForm(name, read_as, bits, is_rgb=True, alpha_at=alpha_at)
    is_grey, is_planar = name.startswith("gray"), name.startswith("yuv") and form.is_planar
    if not (is_grey or is_planar) or not 8 <= bits <= _MOST_BITS or "f32" in name:
        raise InputError(
            f"the pixel format {name} is not supported", where=where, remedy="convert it to yuv420p first"
        )
    return SampleForm(name, name, bits, (0, 0) if is_grey else _halvings(form), is_grey)


def refuse_transparency(frame: VideoFrame, form: SampleForm, where: str) -> None:
    """Raise InputError unless every pixel of the frame is opaque."""
    if form.alpha_at is None:
        return
    if samples_of(frame.planes[0], np.dtype(np.uint8), 4)[:, form.alpha_at :: 4].min() < _OPAQUE:
        raise _transparent(form.name, where)


def _transparent(name: str, where: str) -> InputError:
    """The refusal of transparency, which encoders cannot keep."""
    return InputError(
        f"has transparency ({name}), which H.264, H.265 and AV1 cannot hold",
        where=where,
        remedy="remove it first, or upscale the frames as images",
    )


def planes_of(frame: VideoFrame, form: SampleForm) -> list[Pixels]:
    """The planes of a frame, without the padding of their rows; one (H, W, 3) for RGB."""
    if frame.format.name != form.read_as:
        frame = frame.reformat(format=form.read_as)
    width = 3 if form.is_rgb else 1
    dtype = np.dtype("<u2") if form.is_rgb and form.bits > 8 else form.dtype
    planes = [samples_of(plane, dtype, width) for plane in frame.planes]
    planes = [plane.astype(dtype.newbyteorder("="), copy=False) for plane in planes]
    return [planes[0].reshape(frame.height, frame.width, 3)] if form.is_rgb else planes


def samples_of(plane: VideoPlane, dtype: np.dtype[Any], channels: int = 1) -> Pixels:
    """The samples of a plane (rows, columns), in the memory of the frame."""
    data: Pixels = np.frombuffer(cast("Any", plane), np.uint8)
    rows = data.reshape(-1, plane.line_size)[: plane.height]
    return rows.view(dtype)[:, : plane.width * channels]


def _is_padding(name: str) -> bool:
    """True for formats whose fourth component means nothing."""
    return any(zero in name for zero in ("rgb0", "bgr0", "0rgb", "0bgr"))


def _halvings(form: VideoFormat) -> tuple[int, int]:
    side = 64
    return (side // form.chroma_height(side)).bit_length() - 1, (
        side // form.chroma_width(side)
    ).bit_length() - 1
