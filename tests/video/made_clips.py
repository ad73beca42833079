"""Small videos made with PyAV, and what probing finds in a video."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

WIDTH, HEIGHT = 64, 48
RATE = 24
SOUND_RATE = 44_100
FONT = b"not a font, but kept all the same"


def smooth(height: int, width: int) -> np.ndarray:
    """Soft colours, so that chroma planes lose little."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [0.5 + 0.35 * np.sin(x / (7 + c) + c) * np.cos(y / (9 + c)) for c in range(3)]
    return np.round(255 * np.stack(planes, -1)).astype(np.uint8)


def moving(count: int, height: int = HEIGHT, width: int = WIDTH) -> list[np.ndarray]:
    """A square that moves over a still picture."""
    still = smooth(height, width)
    frames = []
    for index in range(count):
        frame = still.copy()
        left = 2 * index % (width - 12)
        frame[10:20, left : left + 10] = (220, 60, 30)
        frames.append(frame)
    return frames


@dataclass
class Made:
    """A clip to write."""

    frames: Sequence[np.ndarray] = field(default_factory=lambda: moving(20))
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    options: dict[str, str] = field(default_factory=lambda: {"crf": "12"})
    time_base: Fraction = Fraction(1, 12_800)
    pts: Sequence[int] | None = None
    """None: a constant rate of 24 frames per second."""
    sound: bool = False
    subtitles: str | None = None
    """Codec of a subtitle stream, ``mov_text`` or ``subrip``."""
    font: bool = False
    chapters: bool = False
    rotation: int | None = None
    aspect: Fraction | None = None
    tags: tuple[int, int, int, int] | None = None
    """Range, matrix, primaries, transfer."""
    metadata: dict[str, str] = field(default_factory=dict)
    start: Fraction = Fraction(0)
    """Seconds by which all streams start late."""
    tweak: Callable[[Any], None] | None = None
    """Called with the stream of the video."""

    def write(self, path: Path) -> Path:
        with av.open(path, "w") as container:
            video = self._video(container)
            sound = container.add_stream("aac", rate=SOUND_RATE) if self.sound else None
            text = None if self.subtitles is None else container.add_mux_stream(self.subtitles)
            if sound is not None:
                sound.metadata["language"] = "deu"
            if self.font:
                container.add_attachment("a.ttf", "application/x-truetype-font", FONT)
            if self.chapters:
                container.set_chapters(chapters())
            container.metadata.update(self.metadata)
            self._write_frames(container, video)
            if sound is not None:
                self._write_sound(container, sound)
            if text is not None:
                self._write_text(container, text)
        return path

    def _video(self, container) -> Any:
        video = container.add_stream(self.codec, rate=RATE, options=dict(self.options))
        video.height, video.width = self.frames[0].shape[:2]
        video.pix_fmt = self.pixel_format
        video.codec_context.time_base = video.time_base = self.time_base
        if self.rotation is not None:
            video.set_display_rotation(self.rotation)
        if self.aspect is not None:
            video.codec_context.sample_aspect_ratio = self.aspect
        if self.tags is not None:
            context = video.codec_context
            context.color_range, context.colorspace, context.color_primaries, context.color_trc = self.tags
        if self.tweak is not None:
            self.tweak(video)
        return video

    def times(self) -> list[int]:
        step = 1 / (RATE * self.time_base)
        pts = self.pts or [int(index * step) for index in range(len(self.frames))]
        return [each + int(self.start / self.time_base) for each in pts]

    def _write_frames(self, container, video) -> None:
        spaces = {1: "itu709", 5: "itu601", 6: "itu601", 9: "bt2020"}
        matrix, is_full = (6, False) if self.tags is None else (self.tags[1], self.tags[0] == 2)
        for image, pts in zip(self.frames, self.times(), strict=True):
            frame = av.VideoFrame.from_ndarray(image, "rgba" if image.shape[2] == 4 else "rgb24").reformat(
                format=self.pixel_format,
                dst_colorspace=spaces.get(matrix),
                dst_color_range="JPEG" if is_full else "MPEG",
                src_color_range="JPEG",
            )
            frame.pts, frame.time_base = pts, self.time_base
            container.mux(video.encode(frame))
        container.mux(video.encode(None))

    def _seconds(self) -> float:
        times = self.times()
        return float((times[-1] - times[0]) * self.time_base) + 1 / RATE

    def _write_sound(self, container, sound) -> None:
        count = int(self._seconds() * SOUND_RATE) // 1024 * 1024
        wave = np.sin(np.arange(count) / 20).astype(np.float32)
        for first in range(0, count, 1024):
            part = np.stack([wave[first : first + 1024]] * 2)
            frame = av.AudioFrame.from_ndarray(part, "fltp", "stereo")
            frame.sample_rate, frame.time_base = SOUND_RATE, Fraction(1, SOUND_RATE)
            frame.pts = first + int(self.start * SOUND_RATE)
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))

    def _write_text(self, container, text) -> None:
        for index, line in enumerate(("first", "second")):
            data = line.encode()
            packet = av.Packet(len(data).to_bytes(2, "big") + data if self.subtitles == "mov_text" else data)
            packet.stream, packet.time_base = text, Fraction(1, 1000)
            packet.pts = packet.dts = 100 + 300 * index + int(1000 * self.start)
            packet.duration = 200
            container.mux(packet)


def chapters() -> list[Any]:
    unit = Fraction(1, 1000)
    return [
        {"id": 1, "start": 0, "end": 300, "time_base": unit, "metadata": {"title": "Beginning"}},
        {"id": 2, "start": 300, "end": 800, "time_base": unit, "metadata": {"title": "End"}},
    ]


@dataclass
class Probe:
    """What PyAV finds in a file."""

    times: list[Fraction]
    """Time of display of each picture in seconds."""
    pictures: list[np.ndarray]
    """As RGB, by swscale."""
    packets: dict[str, list[tuple[bytes, Fraction, Fraction]]]
    """By kind of stream: data, time, duration."""
    size: tuple[int, int]
    aspect: Fraction | None
    codec: str
    frame: Any
    starts: dict[str, Fraction]
    durations: dict[str, Fraction]
    chapters: list[tuple[float, float, str]]
    metadata: dict[str, str]
    streams: list[tuple[str, str | None, str | None]]
    attachments: list[tuple[str | None, bytes]]


def probe(path: Path) -> Probe:
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        frames = list(container.decode(video))
        facts = Probe(
            [frame.pts * frame.time_base for frame in frames],
            [frame.to_ndarray(format="rgb24") for frame in frames],
            {},
            (video.width, video.height),
            video.sample_aspect_ratio,
            video.codec_context.codec.canonical_name,
            frames[0],
            {
                each.type: each.start_time * each.time_base
                for each in container.streams
                if each.start_time is not None
            },
            {
                each.type: each.duration * each.time_base
                for each in container.streams
                if each.duration is not None
            },
            [
                (
                    float(each["start"] * each["time_base"]),
                    float(each["end"] * each["time_base"]),
                    each["metadata"].get("title", ""),
                )
                for each in container.chapters()
            ],
            dict(container.metadata),
            [(each.type, each.name, each.language) for each in container.streams],
            [(each.name, each.data) for each in container.streams if each.type == "attachment"],
        )
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.size and packet.stream.type != "video":
                kind = facts.packets.setdefault(packet.stream.type, [])
                kind.append(
                    (bytes(packet), packet.pts * packet.time_base, packet.duration * packet.time_base)
                )
    return facts
