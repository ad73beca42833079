"""Side data of frames: kept, refused by name, or noted as lost."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Any, cast

from av import VideoFrame
from av.sidedata.sidedata import Type

from sparsesr.errors import InputError
from sparsesr.video.hdr import Hdr, parse_display, parse_light

_MATRIX = struct.Struct("9i")
_IDENTITY = (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
_REFUSED = {Type.DOVI_RPU_BUFFER: "Dolby Vision", Type.DOVI_METADATA: "Dolby Vision"}
_LOST = {
    Type.DYNAMIC_HDR_PLUS: "HDR10+ metadata of single scenes",
    Type.DYNAMIC_HDR_VIVID: "HDR Vivid metadata of single scenes",
    Type.A53_CC: "closed captions inside the pictures",
    Type.STEREO3D: "the marks of a 3D video",
    Type.SPHERICAL: "the marks of a spherical video",
    Type.ICC_PROFILE: "the colour profile inside the pictures",
    Type.AFD: "the active format description",
    Type.S12M_TIMECODE: "time codes inside the pictures",
    Type.GOP_TIMECODE: "time codes inside the pictures",
    Type.AMBIENT_VIEWING_ENVIRONMENT: "the ambient viewing environment",
}


def refuse_side_data(frame: VideoFrame, where: str) -> None:
    """Raise InputError for metadata without which a result would be shown wrongly."""
    for kind, _ in _side_data(frame):
        if kind in _REFUSED:
            raise InputError(
                f"is {_REFUSED[kind]}, which cannot be kept",
                where=where,
                remedy="convert it to HDR10 or HLG first",
            )


def lost_side_data(frame: VideoFrame) -> list[str]:
    """A note for each kind of metadata that the result will not have."""
    lost = {_LOST[kind]: None for kind, _ in _side_data(frame) if kind in _LOST}
    return [f"not kept: {what}" for what in lost]


def matrix_of(frame: VideoFrame) -> tuple[int, ...] | None:
    """The display matrix, which turns or mirrors the picture; None if there is none that does."""
    data = dict(_side_data(frame)).get(Type.DISPLAYMATRIX, b"")
    matrix = _MATRIX.unpack_from(data) if len(data) >= _MATRIX.size else _IDENTITY
    return None if matrix == _IDENTITY else matrix


def hdr_of(frame: VideoFrame) -> Hdr:
    """The mastering display and the content's light."""
    data = dict(_side_data(frame))
    return Hdr(
        parse_display(data.get(Type.MASTERING_DISPLAY_METADATA, b"")),
        parse_light(data.get(Type.CONTENT_LIGHT_LEVEL, b"")),
    )


def _side_data(frame: VideoFrame) -> Iterator[tuple[Type, bytes]]:
    for each in cast("Iterable[Any]", frame.side_data):
        yield each.type, bytes(each)
