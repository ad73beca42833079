"""``sparsesr.upscale``: one call for arrays and for files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from image.made_files import ALPHA, PHOTO, UNIT, chrm, gama, jpeg, png, stack, tiff
from sparsesr.errors import CancelledError, InputError, UsageError
from sparsesr.jobs.inputs import expand
from sparsesr.jobs.upscale import upscale
from support.tiny_models import photo, size_of, tiny


@pytest.fixture
def source(tmp_path) -> Path:
    path = tmp_path / "a.png"
    Image.fromarray(photo(10, 12)).save(path)
    return path


def test_a_path_returns_a_path(source):
    written = upscale(source, model=tiny())
    assert written == source.with_name("a_x2.png")
    assert size_of(written) == (24, 20)
    with pytest.raises(InputError, match="exists"):
        upscale(str(source), model=tiny())
    with pytest.raises(UsageError, match="input itself"):
        upscale(source, model=tiny(), output=source, overwrite=True)


def test_a_stereo_picture_has_an_output_like_other_files(tmp_path):
    path = tmp_path / "x.mpo"
    left, right = (Image.fromarray(photo(10, 12, seed=seed)) for seed in (1, 2))
    left.save(path, "MPO", save_all=True, append_images=[right])
    assert upscale(path, model=tiny()) == tmp_path / "x_x2.png"
    assert [file for file, _ in expand([str(tmp_path)], recursive=False).files] == [
        path,
        tmp_path / "x_x2.png",
    ]


P3 = chrm(0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)


@pytest.mark.parametrize(
    "data",
    [png(PHOTO), png(stack(PHOTO, ALPHA)), png(PHOTO, gama(1.0)), png(PHOTO, gama(1 / 2.2), P3), jpeg()],
    ids=["rgb", "alpha", "linear", "wide", "jpeg"],
)
def test_a_file_and_its_pil_image_give_the_same_result(tmp_path, data):
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with Image.open(upscale(path, model=tiny(), format="png")) as from_path:
        from_path.load()
    with Image.open(path) as image:
        from_image = upscale(image, model=tiny())
    difference = np.abs(np.asarray(from_image).astype(int) - np.asarray(from_path))
    assert difference.max() <= (8 if data[:2] == b"\xff\xd8" else 0)  # two JPEG decoders
    assert from_image.info.get("icc_profile") == from_path.info.get("icc_profile")


def test_a_float_file_and_its_array_give_the_same_result(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(UNIT))
    with Image.open(upscale(path, model=tiny(), format="png", depth=8)) as from_path:
        from_file = np.asarray(from_path)
    from_array = np.clip(upscale(UNIT, model=tiny()), 0, 1)
    assert np.abs(from_file / 255 - from_array).max() < 0.6 / 255


@pytest.mark.parametrize(
    ("format", "name"), [("jpg", "a_x2.jpg"), (".TIF", "a_x2.tif"), ("webp", "a_x2.webp")]
)
def test_formats_may_be_given_as_extensions(source, format, name):
    assert upscale(source, model=tiny(), format=format, quality=90) == source.with_name(name)
    with pytest.raises(UsageError, match="cannot write the format 'bmp'"):
        upscale(source, model=tiny(), format="bmp")


@pytest.mark.parametrize("kind", ["array", "file"])
def test_the_arguments_of_an_upscaler_are_accepted(source, kind):
    image, steps = photo(10, 12) if kind == "array" else source, []
    upscale(
        image, 2, tiny(), precision="fp32", inference="chopped", threads=1, memory=10**9,
        progress=lambda done, total: steps.append((done, total)),
    )  # fmt: skip
    assert steps[-1] == (4, 4), "four crops"
    with pytest.raises(CancelledError):
        upscale(image, model=tiny(), overwrite=kind == "file", cancelled=lambda: True)
    with pytest.raises(UsageError, match="auto, whole or chopped"):
        upscale(image, model=tiny(), inference="half")


def test_unknown_parameters_are_named():
    with pytest.raises(TypeError, match="qualty"):
        upscale(photo(4, 4), model=tiny(), qualty=90)


@pytest.mark.parametrize(
    "writing", [{"output": "a.png"}, {"overwrite": True}, {"format": "png"}, {"quality": 90}, {"depth": 8}]
)
def test_options_for_files_are_refused_for_arrays(writing):
    with pytest.raises(UsageError, match=f"{next(iter(writing))}: applies to paths only"):
        upscale(photo(4, 4), model=tiny(), **writing)


def test_masks_are_not_kept_needlessly(monkeypatch):
    given = []
    monkeypatch.setattr(
        "sparsesr.runtime.session.Session.run", lambda self, image, **options: given.append(options) or 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        upscale(np.zeros((4, 4, 3), np.uint8), model=tiny())
    assert given[0]["keep_masks"] is False
