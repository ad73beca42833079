"""Sizes, formats and metadata as options of ``sparsesr upscale``, and the same from Python."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sparsesr
from sparsesr.cli.main import main
from sparsesr.errors import UsageError
from support.tiny_models import photo, size_of

MODEL = ["-n", "skim_fast_x2", "-j", "1"]


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image = Image.fromarray(photo(24, 36))
    image.save("a.jpg", comment=b"lake")
    os.utime("a.jpg", ns=(1_500_000_000_111_111_111, 1_400_000_000_222_222_222))
    return tmp_path


def comment_of(name: str) -> bytes | None:
    with Image.open(name) as image:
        return image.info.get("comment")


def pixels_of(name: str) -> np.ndarray:
    with Image.open(name) as image:
        return np.asarray(image.convert("RGB"))


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def up(*arguments: str) -> int:
    return main(["upscale", "a.jpg", *MODEL, *arguments])


@pytest.mark.parametrize(
    ("arguments", "name", "size", "said"),
    [
        (["-s", "2"], "a_x2.jpg", (72, 48), "with skim_fast_x2: "),
        (["-s", "2.0"], "a_x2.jpg", (72, 48), "with skim_fast_x2: "),
        (["-s", "1.5"], "a_x1.5.jpg", (54, 36), "with skim_fast_x2 (x2), then bicubic down: "),
        (["-s", "4"], "a_x4.jpg", (144, 96), "with skim_fast_x2 (x2) and skim_fast_x2 (x2): "),
        (["-s", "3"], "a_x3.jpg", (108, 72), "(x2) and skim_fast_x2 (x2), then bicubic down: "),
        (["--width", "50"], "a_w50.jpg", (50, 34), "then bicubic down: "),
        (["--height", "40"], "a_h40.jpg", (60, 40), "then bicubic down: "),
        (["--width", "50", "--height", "40"], "a_50x40.jpg", (50, 40), "then bicubic down: "),
        (["--fit", "60x60"], "a_fit60x60.jpg", (60, 40), "then bicubic down: "),
    ],
)
def test_sizes(source, capsys, arguments, name, size, said):
    assert up(*arguments, "--precision", "fp32") == 0
    assert size_of(source / name) == size
    assert said in capsys.readouterr().out


def test_json_names_networks_and_the_resize(source, capsys):
    assert up("-s", "3", "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["output_width"], record["output_height"], record["scale"]) == (108, 72, 3)
    assert record["passes"] == [{"model": "skim_fast_x2", "scale": 2}] * 2
    assert record["resized"] is True


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--fit", "60"], 2, "--fit '60' is not a size; write width and height, like 1920x1080"),
        (["--fit", "60x0"], 2, "--fit: must be 1 to 1000000 pixels, not 0"),
        (["-s", "2", "--width", "50"], 2, "--width: the size is given twice; leave out -s or --width"),
        (["-s", "100"], 2, "-s: must be 1 to 64, not 100"),
        (
            ["--fit", "30x30"],
            3,
            "a.jpg: has 36x24 px already, and would have to shrink; ask for a larger --fit",
        ),
        (["--lossless"], 2, "JPEG always loses something; leave out --lossless or choose another -f"),
        (["-f", "webp", "--lossless", "--quality", "80"], 2, "leave out --lossless or --quality"),
        (["-s", "4", "--target-ms", "99"], 2, "takes 2 networks"),
    ],
)
def test_errors_are_one_line(source, capsys, arguments, status, message):
    assert up(*arguments) == status
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert message in captured.err
    assert names_in(source) == ["a.jpg"]


def test_a_folder_is_done_to_one_size_again_and_again(source, capsys):
    Image.fromarray(photo(80, 90)).save("large.png")
    assert main(["upscale", str(source), *MODEL, "--fit", "70x70"]) == 3
    assert size_of("a_fit70x70.jpg") == (70, 47)
    assert "large.png: has 90x80 px already" in capsys.readouterr().err
    assert main(["upscale", str(source), *MODEL, "--fit", "70x70", "--skip-existing"]) == 3
    assert names_in(source) == ["a.jpg", "a_fit70x70.jpg", "large.png"]


@pytest.mark.parametrize("format", ["jpg", "png", "webp", "tif", "avif"])
def test_times_are_preserved(source, format):
    assert up("--preserve-time", "-f", format) == 0
    found = (source / f"a_x2.{format}").stat()
    assert (found.st_atime_ns // 1000, found.st_mtime_ns) == (
        1_500_000_000_111_111,
        1_400_000_000_222_222_222,
    )
    assert up("-f", format, "--overwrite") == 0
    assert (source / f"a_x2.{format}").stat().st_mtime_ns > 1_600_000_000_000_000_000


def test_standard_input_has_no_time(source, capsys):
    assert main(["upscale", "-", "--preserve-time"]) == 2
    assert "--preserve-time needs a file" in capsys.readouterr().err


def test_strip(source):
    assert up() == 0 and up("--strip", "-o", "bare.jpg") == 0
    assert comment_of("a_x2.jpg") == b"lake"
    assert comment_of("bare.jpg") is None


@pytest.mark.parametrize("format", ["webp", "avif"])
def test_lossless(source, format):
    assert up("-f", format, "--lossless") == 0 and up("-f", "png") == 0
    np.testing.assert_array_equal(pixels_of(f"a_x2.{format}"), pixels_of("a_x2.png"))


def test_from_python(source):
    assert (
        sparsesr.upscale("a.jpg", model="skim_fast_x2", width=50, strip=True, preserve_time=True).name
        == "a_w50.jpg"
    )
    assert comment_of("a_w50.jpg") is None
    assert (source / "a_w50.jpg").stat().st_mtime_ns == 1_400_000_000_222_222_222
    image = photo(20, 30)
    assert sparsesr.upscale(image, 1.5, model="skim_fast_x2").shape == (30, 45, 3)
    assert sparsesr.upscale(image, model="skim_fast_x2", fit=(50, 50)).shape == (34, 50, 3)
    assert sparsesr.upscale(Image.fromarray(image), model="skim_fast_x2", height=33).size == (50, 33)
    for options in ({"strip": True}, {"lossless": True}, {"preserve_time": True}):
        with pytest.raises(UsageError, match="applies to paths only"):
            sparsesr.upscale(image, **options)
