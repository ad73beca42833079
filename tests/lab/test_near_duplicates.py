"""Pictures that occur twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pyvips

pytest.importorskip("torch")  # the verb belongs to the [train] extra

from sparsesr.cli.main import main
from sparsesr.lab.data.near_duplicates import COARSE_SIZES, describe, near_duplicates, read_grey
from sparsesr.lab.data.repeated_pictures import find_repeated
from training_images import write_images

PHOTO = Path(__file__).parents[2] / "samples" / "coffee.jpg"


@pytest.fixture
def photo() -> pyvips.Image:
    return pyvips.Image.new_from_file(str(PHOTO))


@pytest.fixture
def folders(tmp_path):
    """Training images and images to compare with, none of them the same."""
    write_images(tmp_path / "train", 4, size=(128, 160))
    (tmp_path / "test").mkdir()
    return tmp_path


def _crop(image: pyvips.Image) -> pyvips.Image:
    return image.crop(50, 40, 224, 224)


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.resize(0.6),
        lambda image: image.rot90().resize(0.5),
        lambda image: image.fliphor(),
        lambda image: _crop(image).rot180(),
        lambda image: _crop(image).flipver().rot270().linear(0.8, 20).cast("uchar"),
    ],
    ids=["smaller", "rotated", "mirrored", "crop", "crop-mirrored-darker"],
)
def test_a_changed_copy_is_found(folders, photo, change):
    photo.write_to_file(str(folders / "train/photo.png"))
    change(photo).write_to_file(str(folders / "test/copy.jpg"), Q=70)
    result = find_repeated(sorted((folders / "train").iterdir()), [folders / "test/copy.jpg"])
    assert [(pair.candidate.name, pair.reference.name) for pair in result.pairs] == [
        ("photo.png", "copy.jpg")
    ]
    assert result.compared == 6


def test_scores_are_correlation_and_differing_bits():
    """Against the same quantities of the whole frames, computed by NumPy in double precision."""
    rng = np.random.default_rng(4)
    first = np.kron(rng.uniform(0, 255, (8, 8)), np.ones((4, 4)))
    second = first + np.kron(rng.normal(0, 20, (32, 32)), np.ones((1, 1)))
    small = [picture.reshape(16, 2, 16, 2).mean(axis=(1, 3)).ravel() for picture in (first, second)]
    (pair,) = near_duplicates(*(describe([p.astype(np.float32)], ()) for p in (first, second)))
    assert pair.correlation == pytest.approx(np.corrcoef(*small)[0, 1], abs=1e-5)
    assert pair.hash_distance == np.count_nonzero(_signs(first) != _signs(second)) > 0


def _signs(picture):
    x = np.arange(32)
    low = [
        (picture * np.outer(np.cos(np.pi * v * (x + 0.5) / 32), np.cos(np.pi * u * (x + 0.5) / 32))).sum()
        for v in range(8)
        for u in range(8)
    ][1:]
    return np.array(low) > np.median(low)


def test_plain_pictures_are_no_duplicates():
    plain = [np.full((40, 60), level, np.float32) for level in (10, 200)]
    assert (
        near_duplicates(describe(plain, COARSE_SIZES), describe(plain, COARSE_SIZES, symmetries=True)) == []
    )


def test_pictures_are_read_upright_grey_and_small(tmp_path):
    pixels = np.zeros((400, 800, 4), np.uint8)
    pixels[..., 3] = 255
    pixels[:, 400:, :3] = 255
    pyvips.Image.new_from_array(pixels).write_to_file(str(tmp_path / "a.png"))
    grey = read_grey(tmp_path / "a.png")
    assert grey.shape == (96, 192) and grey[:, :90].max() < 2 and grey[:, -90:].min() > 253


def test_the_verb_lists_pairs(folders, photo, capsys):
    photo.write_to_file(str(folders / "train/photo.png"))
    write_images(folders / "other", 3, size=(96, 96))
    assert main(["duplicates", str(folders / "train"), "--against", str(folders / "other")]) == 0
    photo.resize(0.5).write_to_file(str(folders / "test/half.png"))
    command = ["duplicates", str(folders / "train"), "--against", str(folders / "test")]
    assert main([*command, "--against", str(folders / "other")]) == 3
    printed = capsys.readouterr()
    pair = f"{folders / 'train/photo.png'}: like {folders / 'test/half.png'}"
    assert printed.out == f"{pair} (correlation 1.000, hash distance 0)\n"
    assert printed.err.endswith("1 pairs among 9 images\n")


def test_without_against_each_pair_is_listed_once(folders, photo, capsys):
    photo.write_to_file(str(folders / "train/photo.png"))
    photo.rot90().write_to_file(str(folders / "train/turned.png"))
    assert main(["duplicates", str(folders / "train")]) == 3
    assert capsys.readouterr().out.count("\n") == 1


def test_bad_input(folders, capsys):
    (folders / "train/broken.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    assert main(["duplicates", str(folders / "train")]) == 3
    assert "broken.png: cannot be read as an image" in capsys.readouterr().err
    assert main(["duplicates", str(folders / "nowhere")]) != 0
    assert "nowhere: no such folder of images; check the name" in capsys.readouterr().err
    assert main(["duplicates", str(folders / "train"), "--against", str(folders / "test")]) != 0
    assert "no images to compare with found; give folders" in capsys.readouterr().err
