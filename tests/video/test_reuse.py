"""What is not computed again does not show: results with and without reuse are the same files."""

from __future__ import annotations

import numpy as np
import pytest

from sparsesr.engine.upscaler import Upscaler
from sparsesr.video.job import VideoOptions, upscale_video
from support.tiny_models import tiny
from video.made_clips import Made, probe, smooth


def slides(count: int = 16) -> list[np.ndarray]:
    """Two pictures with a mark that moves now and then: many identical frames, small changes, a cut."""
    first, second = smooth(128, 160), smooth(128, 160)[::-1].copy()
    frames = []
    for index in range(count):
        frame = (first if index < 10 else second).copy()
        left = 20 + 8 * (index // 3)
        frame[60:66, left : left + 6] = 255
        frames.append(frame)
    return frames


@pytest.mark.parametrize("precision", ["fp32", "auto"])
def test_reuse_gives_the_same_file(tmp_path, precision):
    """A network without an operation over the whole picture: bit for bit."""
    path = Made(slides(), options={"crf": "0"}).write(tmp_path / "in.mp4")
    upscaler = Upscaler("skim_fast_x2", threads=1, precision=precision)
    results = {}
    for name, tolerance in (("whole", None), ("changed", 0.0)):
        output = tmp_path / f"{name}.mp4"
        results[name] = upscale_video(upscaler, path, output, VideoOptions(tolerance=tolerance))
    assert (tmp_path / "changed.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert results["whole"].computed_share == 1 and results["changed"].computed_share < 0.6
    assert results["changed"].deviation_levels is None


def test_the_deviation_of_a_network_with_attention_is_told(tmp_path):
    path = Made(slides(), options={"crf": "0"}).write(tmp_path / "in.mp4")
    upscaler = Upscaler(tiny(), threads=1)
    done = upscale_video(upscaler, path, tmp_path / "out.mp4", VideoOptions())
    assert done.deviation_levels is not None and done.deviation_levels < 0.5
    upscale_video(upscaler, path, tmp_path / "whole.mp4", VideoOptions(tolerance=None))
    pairs = zip(probe(tmp_path / "out.mp4").pictures, probe(tmp_path / "whole.mp4").pictures, strict=True)
    assert max(np.abs(a.astype(int) - b).max() for a, b in pairs) <= 2
