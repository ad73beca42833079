"""What is told of a finished video: a line, or a JSON record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sparsesr.engine.upscaler import Upscaler
from sparsesr.jobs.record import names
from sparsesr.video.job import VideoResult


def record_of(upscaler: Upscaler, done: VideoResult, source: Path, target: Path) -> dict[str, Any]:
    """The JSON record; keys that ``upscale`` has too mean the same."""
    clip, encoding, session = done.clip, done.encoding, upscaler.network.session
    return {
        **names(input=source, output=target),
        "width": clip.width,
        "height": clip.height,
        "output_width": encoding.size[1],
        "output_height": encoding.size[0],
        "frames": done.frames,
        "resumed_frames": done.resumed_frames,
        "model": upscaler.network.name,
        "models": list(done.models),
        "scale": encoding.size[0] / clip.height,
        "precision": session.precision,
        "precision_reason": session.precision_reason,
        "codec": encoding.codec.name,
        "crf": encoding.crf,
        "preset": encoding.preset,
        "pixel_format": encoding.pixel_format,
        "seconds": round(done.seconds, 4),
        "frames_per_second": round(done.frames_per_second, 4),
        "computed_share": round(done.computed_share, 6),
        "deviation_levels": done.deviation_levels,
        "notes": list(done.notes),
    }


def sentence(done: VideoResult, source: str, target: str) -> str:
    """One line with sizes, time and work."""
    clip, encoding = done.clip, done.encoding
    height, width = encoding.size
    resumed = f", {done.resumed_frames} of them finished before" if done.resumed_frames else ""
    deviation = (
        ""
        if done.deviation_levels is None
        else f", deviating from whole frames by at most {done.deviation_levels:.2g}/255 where measured"
    )
    return (
        f"{source} {clip.width}x{clip.height} -> {target} {width}x{height} {encoding.codec.name}:"
        f" {done.frames} frames{resumed} in {done.seconds:.1f} s, {done.frames_per_second:.2f} frames/s"
        f" with {' and '.join(done.models)}; {100 * done.computed_share:.0f} % of the pixels computed{deviation}"
    )
