"""Frames per second of ``sparsesr video``, and the share of pixels computed, on made clips and one of yours.

    python benchmarks/video.py [--real clip.mp4] [--model skim_fast_x2] [--frames 72] [--rounds 1] [--only NAME]
                               [--folder FOLDER] [--only-clips] [--write NAME]

The clips (1280x720, H.264 with CRF 18) are made from photographs of scikit-image: a fixed camera with something that
moves, the same with noise of one level, slides with a pointer, and a hand-held camera. Each is upscaled with every
frame whole, with exact reuse, and with reuse up to 2/255; these take turns. Times are of the whole job, with encoding;
speed-ups are of frames per second, and of processor time, which other programs on the machine change less.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import record
from scipy import ndimage
from skimage import data, transform

from sparsesr.engine.upscaler import Upscaler
from sparsesr.video import job

Frames = Iterator[npt.NDArray[np.uint8]]

HEIGHT, WIDTH, RATE = 720, 1280, 24
WAYS: dict[str, float | None] = {"whole frames": None, "exact reuse": 0.0, "reuse 2/255": 2 / 255}


def fixed_camera(count: int, noise: float = 0.0) -> Frames:
    rng = np.random.default_rng(0)
    still = transform.resize(data.coffee()[:337], (HEIGHT, WIDTH), order=3, preserve_range=True)
    moving = data.cat()[80:200, 140:260]
    for index in range(count):
        frame = still.copy()
        left, top = 40 + 12 * index % 1000, 300 + int(40 * np.sin(index / 6))
        frame[top : top + 120, left : left + 120] = moving
        yield np.clip(frame + noise * rng.normal(0, 1, frame.shape), 0, 255).round().astype(np.uint8)


def noisy_camera(count: int) -> Frames:
    return fixed_camera(count, 1.0)


def slides(count: int) -> Frames:
    pictures = [np.full((HEIGHT, WIDTH, 3), 250, np.uint8) for _ in range(3)]
    for number, picture in enumerate(pictures):
        page = np.stack([data.page()] * 3, -1)
        picture[60:240, 80:440] = picture[300:480, 80:440] = page[:180, 10 * number : 360 + 10 * number]
        picture[300:500, 900:1100] = data.astronaut()[40 * number : 40 * number + 200, 100:300]
    for index in range(count):
        frame = pictures[index * len(pictures) // count].copy()
        if index % 12 >= 6:
            top, left = 200 + 6 * (index % 12), 500 + 10 * (index % 12)
            frame[top : top + 20, left : left + 12] = 0
        yield frame


def hand_held(count: int) -> Frames:
    rng = np.random.default_rng(1)
    photo = data.astronaut().astype(float)
    photo = transform.resize(photo, (1400, 1400), order=3, preserve_range=True)
    place = np.array([100.0, 20.0])
    for _ in range(count):
        place = np.clip(place + rng.normal(0, 2, 2), 1, (600, 100))
        whole = place.astype(int)
        part = photo[whole[0] : whole[0] + HEIGHT + 2, whole[1] : whole[1] + WIDTH + 2]
        shifted = ndimage.shift(part, (*(whole - place), 0), order=1, mode="nearest")
        yield np.clip(shifted[:HEIGHT, :WIDTH], 0, 255).round().astype(np.uint8)


MADE: dict[str, Callable[[int], Frames]] = {
    "fixed camera": fixed_camera,
    "the same, noisy": noisy_camera,
    "slides": slides,
    "hand-held": hand_held,
}


def write(path: Path, frames: Frames) -> None:
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode(None))


def cut(source: Path, path: Path, count: int) -> None:
    """The first packets of a video, as they are."""
    with av.open(str(source)) as container, av.open(path, "w") as target:
        stream = target.add_stream_from_template(container.streams.video[0], opaque=True)
        for index, packet in enumerate(container.demux(video=0)):
            if index == count:
                break
            packet.stream = stream
            target.mux(packet)


def measure(upscaler: Upscaler, clip: Path, rounds: int) -> dict[str, dict[str, float]]:
    speeds: dict[str, list[float]] = {way: [] for way in WAYS}
    costs: dict[str, list[float]] = {way: [] for way in WAYS}
    shares: dict[str, float] = {}
    for _ in range(rounds):
        for way, tolerance in WAYS.items():
            options = job.VideoOptions(tolerance=tolerance, overwrite=True)
            start = time.process_time()
            done = job.upscale_video(upscaler, clip, clip.with_name("result.mp4"), options)
            costs[way].append((time.process_time() - start) / done.frames)
            speeds[way].append(done.frames_per_second)
            shares[way] = done.computed_share
    whole = costs["whole frames"]
    return {
        way: {
            "frames_per_second": median(speeds[way]),
            "processor_seconds_per_frame": median(costs[way]),
            "computed_share": shares[way],
            "speedup": median(b / a for a, b in zip(costs[way], whole, strict=True)),
        }
        for way in WAYS
    }


def measured_before(name: str) -> dict[str, Any]:
    """The other clips of a result that is written clip by clip."""
    path = record.RESULTS / f"{name}.json"
    return json.loads(path.read_text())["clips"] if path.exists() else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="skim_fast_x2")
    parser.add_argument("--real", type=Path, help="a further clip")
    parser.add_argument("--only", choices=list(MADE), action="append", help="a made clip; repeatable")
    parser.add_argument("--frames", type=int, default=72)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="keep the clips here, and take those that are here")
    parser.add_argument("--only-clips", action="store_true", help="make the clips, and measure nothing")
    parser.add_argument("--write", help="name of the result to write; other clips in it are kept")
    chosen = parser.parse_args()
    upscaler = Upscaler(chosen.model, threads=chosen.threads)
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.folder or Path(temporary)
        real = [] if chosen.real is None else [chosen.real.name]
        for name in (*(chosen.only or ([] if real else MADE)), *real):
            clip = folder / f"{name.replace(' ', '-').replace(',', '')}-{chosen.frames}.mp4"
            if clip.exists():
                pass
            elif name in MADE:
                write(clip, MADE[name](chosen.frames))
            else:
                cut(chosen.real, clip, chosen.frames)
            if chosen.only_clips:
                continue
            with av.open(str(clip)) as container:
                size = (container.streams.video[0].width, container.streams.video[0].height)
            results[name] = {
                "size": f"{size[0]}x{size[1]}",
                "frames": chosen.frames,
                "ways": measure(upscaler, clip, chosen.rounds),
            }
            for way, row in results[name]["ways"].items():
                print(
                    f"{name:<14} {size[0]}x{size[1]} {way:<12} {row['frames_per_second']:6.2f} frames/s"
                    f" {row['processor_seconds_per_frame']:6.2f} s/frame {row['computed_share']:5.0%} computed"
                    f" {row['speedup']:5.2f}x",
                    flush=True,
                )
    if chosen.write:
        result = {
            **record.circumstances("python benchmarks/video.py --real bikes.mp4"),
            "model": chosen.model,
            "threads": chosen.threads,
            "precision": upscaler.network.session.precision,
            "rounds": chosen.rounds,
            "frame_rate": str(Fraction(RATE)),
            "clips": {**measured_before(chosen.write), **results},
        }
        print(record.write(chosen.write, result))


if __name__ == "__main__":
    main()
