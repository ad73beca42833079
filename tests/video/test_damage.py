"""Videos with random damage: a result or a clear error, never another exception, and nothing left behind."""

from __future__ import annotations

import numpy as np
import pytest

from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import SparsesrError
from sparsesr.video.job import VideoOptions, upscale_video
from support.tiny_models import tiny
from video.made_clips import Made, moving

ROUNDS = 8


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(data)
    for _ in range(rng.integers(1, 12)):
        place = int(rng.integers(len(damaged)))
        kind = rng.integers(3)
        if kind == 0:
            damaged[place] = int(rng.integers(256))
        elif kind == 1:
            del damaged[place : place + int(rng.integers(1, 200))]
        else:
            damaged[place:place] = rng.bytes(int(rng.integers(1, 50)))
    return bytes(damaged)


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("a.mp4", Made(moving(8), sound=True, subtitles="mov_text", chapters=True)),
        ("b.mkv", Made(moving(8), sound=True, subtitles="subrip", font=True)),
        ("c.avi", Made(moving(8), codec="mpeg4", options={})),
        ("d.ts", Made(moving(8), sound=True)),
    ],
)
@pytest.mark.parametrize("seed", range(2))
def test_random_damage(tmp_path, name, made, seed):
    upscaler, rng = Upscaler(tiny(), threads=1), np.random.default_rng(seed)
    whole = made.write(tmp_path / name).read_bytes()
    path, output = tmp_path / f"damaged_{name}", tmp_path / "out.mkv"
    for _ in range(ROUNDS):
        path.write_bytes(damaged(whole, rng))
        try:
            upscale_video(upscaler, path, output, VideoOptions(overwrite=True))
        except SparsesrError as error:
            assert error.code != "internal" and "\n" not in str(error)
        assert not [each.name for each in tmp_path.iterdir() if each.name.startswith(".")]
