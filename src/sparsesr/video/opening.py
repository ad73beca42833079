"""Opening of video files: only known containers, and never a name that FFmpeg could take for an address."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError

from sparsesr.errors import InputError
from sparsesr.image.source import check_readable, printable

_CONTAINERS = (
    *("mov", "matroska", "webm", "avi", "mpegts", "mpeg", "mpegvideo", "flv", "asf", "ogg", "mxf", "nut"),
    *("h264", "hevc", "av1", "obu", "ivf", "m4v", "dv", "rm", "wtv", "yuv4mpegpipe", "gif", "gxf", "mjpeg"),
)
"""Names of FFmpeg's demuxers. Playlists are not among them: they name further files and addresses."""


@contextmanager
def opened(path: Path) -> Generator[InputContainer, None, None]:
    """The container of a video file.

    Raises:
        InputError: the file cannot be read, or is no video that is known.
    """
    check_readable(path)
    try:
        container = av.open(
            f"file:{os.path.abspath(path)}",  # noqa: PTH100
            "r",
            container_options={"format_whitelist": ",".join(_CONTAINERS), "protocol_whitelist": "file"},
            metadata_errors="replace",
        )
    except (FFmpegError, OSError) as error:
        raise unreadable(path, error) from error
    with container:
        yield container


def unreadable(path: Path, error: Exception, when: str = "") -> InputError:
    """The error for a file, or from ``when`` on a part of it, that FFmpeg cannot read."""
    reason = getattr(error, "strerror", None) or str(error)
    what = f"is damaged{when}" if when else "is not a video that can be read"
    return InputError(
        f"{what} ({reason})", where=printable(path), remedy="repair or convert it with FFmpeg first"
    )
