"""Streams that are copied without re-encoding: audio, subtitles, attachments, covers; and those that cannot be."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import av
from av import Packet
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.stream import Disposition, Stream

from sparsesr.engine.execute import Cancelled
from sparsesr.errors import InputError, check_cancelled
from sparsesr.video.clip import Clip, video_stream
from sparsesr.video.containers import container_format
from sparsesr.video.opening import opened, unreadable

_OF_THE_FILE = ("major_brand", "minor_version", "compatible_brands", "encoder")
_OF_THE_STREAM = ("DURATION", "encoder", "NUMBER_OF_FRAMES", "NUMBER_OF_BYTES", "BPS", "_STATISTICS")


@dataclass(frozen=True)
class CopyPlan:
    """Which streams of a clip its result will hold."""

    kept: tuple[int, ...]
    """Indices in the input."""
    notes: tuple[str, ...]
    """What is not kept."""


def plan_copies(clip: Clip, suffix: str) -> CopyPlan:
    """Try each stream in a container for this suffix."""
    kept: list[int] = []
    notes: list[str] = []
    with opened(clip.path) as container:
        picture = video_stream(container, clip.name)
        for stream in container.streams:
            if stream.index == picture.index or _holds_chapters(stream, container):
                continue
            if _is_further_video(stream):
                notes.append(f"not kept: the further video, stream {stream.index}")
            elif _fits(stream, suffix):
                kept.append(stream.index)
            else:
                notes.append(f"not kept: {_described(stream)}, which {suffix} cannot hold")
    return CopyPlan(tuple(kept), tuple(notes))


def check_copies(clip: Clip, copies: CopyPlan, suffix: str, cancelled: Cancelled | None = None) -> None:
    """Copy once to nowhere, so that damage is found before the work.

    Raises:
        InputError: there is any.
        CancelledError: ``cancelled`` returned True.
    """
    with opened(clip.path) as source:
        if all(source.streams[index].type == "attachment" for index in copies.kept):
            return
        try:
            with av.open(_Nowhere(), "w", format=container_format(suffix)) as target:
                streams = add_copies(source, target, copies.kept)
                for packet in copied_packets(source, streams, clip.path):
                    check_cancelled(cancelled)
                    cast("Any", target).mux(packet)
        except FFmpegError as error:
            raise _damaged(clip.path, error) from error


class _Nowhere(io.RawIOBase):
    """A file that forgets what is written."""

    def __init__(self) -> None:
        self._place = self._end = 0

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._place += len(data)
        self._end = max(self._end, self._place)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = (0, self._place, self._end)[whence]
        self._place = base + offset
        return self._place

    def tell(self) -> int:
        return self._place


def _damaged(path: Path, error: Exception) -> InputError:
    return unreadable(path, error, " where its sound or subtitles are read")


def add_copies(source: InputContainer, target: OutputContainer, kept: tuple[int, ...]) -> dict[int, Stream]:
    """Add the streams to ``target``; by their index in ``source``."""
    return {index: _added(source.streams[index], target) for index in kept}


def copied_packets(
    source: InputContainer, streams: dict[int, Stream], path: Path
) -> Iterator[Packet[Stream]]:
    """The packets of these streams in the order of the file, as they are. InputError if the file is damaged."""
    wanted = [source.streams[index] for index in streams if source.streams[index].type != "attachment"]
    if not wanted:
        return
    packets = source.demux(wanted)
    while True:
        try:
            packet = next(packets, None)
        except FFmpegError as error:
            raise _damaged(path, error) from error
        if packet is None:
            return
        if packet.size:  # not the end of a stream
            packet.stream = streams[packet.stream_index]
            yield packet


def copy_metadata(source: InputContainer, target: OutputContainer) -> None:
    """Copy the metadata of the file and its chapters."""
    target.metadata.update(without(source.metadata, _OF_THE_FILE))
    chapters = source.chapters()
    if chapters:
        target.set_chapters(chapters)


def copy_stream_metadata(source: Stream, target: Stream) -> None:
    """Copy language, title and the like, and the disposition."""
    target.metadata.update(without(source.metadata, _OF_THE_STREAM))
    target.disposition = source.disposition


def without(metadata: dict[str, str], left_out: tuple[str, ...]) -> dict[str, str]:
    """Metadata without the keys that begin so: they describe the file that the input was."""
    return {key: value for key, value in metadata.items() if not key.startswith(left_out)}


def _holds_chapters(stream: Stream, container: InputContainer) -> bool:
    """True for the track of chapter titles of an .mp4, which is written anew."""
    return stream.type == "data" and stream.name == "bin_data" and stream.frames == len(container.chapters())


def _is_further_video(stream: Stream) -> bool:
    return stream.type == "video" and not stream.disposition & Disposition.attached_pic


def _fits(stream: Stream, suffix: str) -> bool:
    try:
        with av.open(io.BytesIO(), "w", format=container_format(suffix)) as trial:
            _added(stream, trial)
            trial.start_encoding()
    except (FFmpegError, ValueError, NotImplementedError):
        return False
    return True


def _added(stream: Stream, target: OutputContainer) -> Stream:
    added: Stream = cast("Any", target).add_stream_from_template(stream, opaque=True)
    copy_stream_metadata(stream, added)
    return added


def _described(stream: Stream) -> str:
    codec: str = getattr(stream, "name", None) or "unknown"  # streams that FFmpeg cannot decode have no name
    language = f", {stream.language}" if stream.language else ""
    return f"stream {stream.index} ({stream.type} {codec}{language})"
