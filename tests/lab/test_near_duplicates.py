"""Pictures that occur twice."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import pyvips

pytest.importorskip("torch")  # the verb belongs to the [train] extra

from sparsesr.cli.main import main
from sparsesr.lab.data.near_duplicates import near_duplicates, read_grey
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
    assert result.pairs[0].likeness > 0.85 and result.compared == 6


def test_a_picture_is_found_inside_another_and_around_it(photo):
    """Not only where the training image is the larger one."""
    whole = _grey(photo)
    part = _grey(_crop(photo))
    assert [(found.candidate, found.reference) for found in near_duplicates([part], [whole])] == [(0, 0)]


def test_a_crop_of_a_fine_pattern_is_found():
    """Windows on a coarse grid would miss it: half a period beside the right place, nothing agrees."""
    rng = np.random.default_rng(2)
    tiles, elsewhere = (np.kron(rng.uniform(40, 220, (15, 22)), np.ones((12, 12))) for _ in range(2))
    crop = tiles[31:121, 45:165]
    found = near_duplicates([tiles, elsewhere], [crop])
    assert [(pair.candidate, pair.reference) for pair in found] == [(0, 0)]


def test_the_likeness_of_equal_sizes_is_the_correlation_of_gradients():
    """Computed by NumPy in double precision, for pictures of the size at which gradients are compared."""
    rng = np.random.default_rng(4)
    first = np.kron(rng.uniform(0, 255, (8, 8)), np.ones((4, 4)))
    second = first + rng.normal(0, 12, (32, 32))
    a, b = (_centred_gradients(picture) for picture in (first, second))
    (pair,) = near_duplicates([first], [second])
    assert pair.likeness == pytest.approx((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()), abs=1e-4)


def _centred_gradients(picture):
    corner = picture[:-1, :-1]
    return np.stack([g - g.mean() for g in (picture[1:, :-1] - corner, picture[:-1, 1:] - corner)])


def test_plain_pictures_and_gradients_are_no_duplicates():
    plain = np.full((40, 60), 10.0)
    sky = np.linspace(90, 200, 40)[:, None] + np.zeros(60)
    other_sky = np.linspace(60, 240, 40)[:, None] + np.random.default_rng(1).normal(0, 3, (40, 60))
    assert near_duplicates([plain, sky], [plain, other_sky]) == []


def test_nothing_is_found_in_nothing():
    assert near_duplicates([], [np.eye(40)]) == [] == near_duplicates([np.eye(40)], [])


def _grey(image: pyvips.Image) -> np.ndarray:
    return image.colourspace("b-w").numpy().astype(float)


def test_pictures_are_read_upright_grey_and_small(tmp_path):
    pixels = np.zeros((400, 800, 4), np.uint8)
    pixels[..., 3] = 255
    pixels[:, 400:, :3] = 255
    pyvips.Image.new_from_array(pixels).write_to_file(str(tmp_path / "a.png"))
    grey = read_grey(tmp_path / "a.png")
    assert grey.shape == (128, 256) and grey[:, :124].max() < 2 and grey[:, -124:].min() > 253


def test_the_verb_lists_pairs(folders, photo, capsys):
    photo.write_to_file(str(folders / "train/photo.png"))
    write_images(folders / "other", 3, size=(96, 96))
    assert main(["duplicates", str(folders / "train"), "--against", str(folders / "other")]) == 0
    photo.resize(0.5).write_to_file(str(folders / "test/half.png"))
    command = ["duplicates", str(folders / "train"), "--against", str(folders / "test")]
    assert main([*command, "--against", str(folders / "other")]) == 3
    printed = capsys.readouterr()
    pair = f"{folders / 'train/photo.png'}: like {folders / 'test/half.png'}"
    assert printed.out == f"{pair} (likeness 0.99)\n"
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


def test_names_that_are_not_utf8(tmp_path, photo):
    for folder in ("train", "test"):
        (tmp_path / folder).mkdir()
        photo.resize(0.5).write_to_file(str(tmp_path / folder / "x.png"))
        (tmp_path / folder / "x.png").rename(os.fsdecode(os.fsencode(tmp_path / folder) + b"/\xfe.png"))
    (tmp_path / "train" / os.fsdecode(b"\xff.png")).write_bytes(b"rubbish")
    found = find_repeated(sorted((tmp_path / "train").iterdir()), list((tmp_path / "test").iterdir()))
    assert len(found.pairs) == 1 and "cannot be read" in found.unreadable[0]
    assert found.unreadable[0].isprintable()
