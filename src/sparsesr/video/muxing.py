"""The result: encoded segments joined without re-encoding, with everything that is copied from the input."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
from av import Packet
from av.error import FFmpegError
from av.stream import Stream
from av.video.stream import VideoStream

from sparsesr.engine.execute import Cancelled
from sparsesr.errors import InputError, check_cancelled
from sparsesr.image.destination import atomic_file, write_error
from sparsesr.image.source import printable
from sparsesr.video.clip import video_stream
from sparsesr.video.containers import container_format
from sparsesr.video.copied import CopyPlan, add_copies, copied_packets, copy_metadata, copy_stream_metadata
from sparsesr.video.encoding import Encoding, start_encoder
from sparsesr.video.opening import opened
from sparsesr.video.segments import Segments


def join(
    segments: Segments,
    encoding: Encoding,
    copies: CopyPlan,
    output: Path,
    *,
    overwrite: bool,
    cancelled: Cancelled | None = None,
) -> None:
    """Write the result; it appears complete or not at all.

    Raises:
        InputError: it cannot be written.
        CancelledError: ``cancelled`` returned True.
    """
    with atomic_file(output, overwrite=overwrite) as file, opened(encoding.clip.path) as source:
        try:
            with av.open(file, "w", format=container_format(encoding.suffix)) as target:
                video = encoding.add_to(target)
                copy_stream_metadata(video_stream(source, encoding.clip.name), video)
                streams = add_copies(source, target, copies.kept)
                copy_metadata(source, target)
                start_encoder(target)
                packets = heapq.merge(
                    _video_packets(segments, encoding, video),
                    copied_packets(source, streams, encoding.clip.path),
                    key=_moment,
                )
                for packet in packets:
                    check_cancelled(cancelled)
                    cast("Any", target).mux(packet)
        except FFmpegError as error:
            if isinstance(error, OSError) and error.errno:
                raise write_error(output, OSError(error.errno, error.strerror)) from error
            raise InputError(f"cannot be written ({error})", where=printable(output)) from error


def decoding_times(pts: list[int]) -> list[int]:
    """Decoding times for packets with these times of display, given in the order of decoding.

    They increase, and none is later than its time of display. Encoders' own do so within a segment only.
    """
    ordered = sorted(pts)
    rank = {each: index for index, each in enumerate(ordered)}
    delay = max((index - rank[each] for index, each in enumerate(pts)), default=0)
    step = ordered[1] - ordered[0] if len(ordered) > 1 else 1
    early = [ordered[0] - (delay - index) * step for index in range(min(delay, len(pts)))]
    return early + ordered[: len(pts) - len(early)]


def _video_packets(segments: Segments, encoding: Encoding, stream: VideoStream) -> Iterator[Packet[Stream]]:
    pts = [each for segment in segments.done for _, each, _ in segment.packets]
    durations = _durations(pts, segments.done[-1].last_duration)
    times = decoding_times(pts)
    for (data, shown, is_key), decoded in zip(segments.packets(), times, strict=True):
        packet = Packet(data)
        packet.stream = stream
        packet.time_base = encoding.clip.time_base
        packet.pts, packet.dts, packet.duration = shown, decoded, durations[shown]
        packet.is_keyframe = is_key
        yield packet


def _durations(pts: list[int], last: int) -> dict[int, int]:
    """By time of display: the time until the next frame."""
    ordered = sorted(pts)
    following = [*ordered[1:], ordered[-1] + last]
    return {shown: after - shown for shown, after in zip(ordered, following, strict=True)}


def _moment(packet: Packet[Stream]) -> Fraction:
    stamp = packet.dts if packet.dts is not None else packet.pts
    return Fraction(0) if stamp is None else stamp * packet.time_base
