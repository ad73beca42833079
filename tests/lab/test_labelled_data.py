"""Labelled images: packing, the held-out part, and batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lab.labelled_folders import CLASSES, write_classes
from sparsesr.errors import InputError, ModelError, UsageError
from sparsesr.lab.data.labelled_batches import LabelledBatches, shifted
from sparsesr.lab.data.labelled_images import LabelledImages, decode_all
from sparsesr.lab.data.labelled_pack import open_labelled, read_packed
from sparsesr.lab.data.labelled_sources import images_of_classes


def numbered(count: int, side_px: int = 4) -> LabelledImages:
    """Image n is filled with n and has class n."""
    pixels = np.broadcast_to(
        np.arange(count, dtype=np.uint8)[:, None, None, None], (count, side_px, side_px, 3)
    )
    return LabelledImages("numbers", [str(n) for n in range(count)], pixels, np.arange(count))


def quiet(line: str) -> None:
    pass


def test_images_are_packed_once_with_their_classes(tmp_path) -> None:
    written = write_classes(tmp_path / "data" / "train")
    lines: list[str] = []
    images = open_labelled("folder", [str(tmp_path / "data")], tmp_path / "p.npy", lines.append)
    pixels, labels = images.batch(slice(None))
    assert list(images.classes) == list(CLASSES) and labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert np.array_equal(pixels, np.stack([written[path] for path in sorted(written)]))
    assert lines == ["packing the images (once)", "6 images of 2 classes"]
    again = open_labelled("folder", [str(tmp_path / "data")], tmp_path / "p.npy", lines.append)
    assert np.array_equal(again.batch(slice(None))[0], pixels) and lines[2:] == lines[1:2]


def test_a_folder_that_holds_more_than_was_packed_is_noted(tmp_path) -> None:
    write_classes(tmp_path / "data")
    (tmp_path / "data/cat/1.png").write_bytes(b"rubbish")
    folders, lines = [str(tmp_path / "data")], []
    open_labelled("folder", folders, tmp_path / "p.npy", quiet)
    open_labelled("folder", folders, tmp_path / "p.npy", lines.append)
    assert lines == ["5 images of 2 classes"]
    write_classes(tmp_path / "data", count=4)
    open_labelled("folder", folders, tmp_path / "p.npy", lines.append)
    assert "packed when there were 6 files, now there are 8" in lines[-1]


def test_a_packed_file_of_other_images_is_refused(tmp_path) -> None:
    for name in ("one", "two"):
        write_classes(tmp_path / name)
    open_labelled("folder", [str(tmp_path / "one")], tmp_path / "p.npy", quiet)
    with pytest.raises(UsageError, match="was packed from"):
        open_labelled("folder", [str(tmp_path / "two")], tmp_path / "p.npy", quiet)


def test_damaged_packed_files_are_refused(tmp_path) -> None:
    write_classes(tmp_path / "data")
    path = tmp_path / "p.npy"
    open_labelled("folder", [str(tmp_path / "data")], path, quiet)
    for kept in (path.read_bytes()[:-20], b""):
        path.write_bytes(kept)
        with pytest.raises(ModelError, match=r"delete .*p.json to pack"):
            read_packed(path)
    path.with_suffix(".json").write_text("[]")
    with pytest.raises(ModelError, match=r"delete .*p.json to pack"):
        read_packed(path)


def test_a_folder_that_got_other_classes_is_noticed(tmp_path) -> None:
    """A stray folder was taken for a class, and is removed after the images were packed."""
    write_classes(tmp_path / "data")
    (tmp_path / "data/stray").mkdir()
    folders, path = [str(tmp_path / "data")], tmp_path / "p.npy"
    open_labelled("folder", folders, path, quiet)
    (tmp_path / "data/stray").rmdir()
    with pytest.raises(UsageError, match=r"held other classes; delete .*p.json"):
        open_labelled("folder", folders, path, quiet)
    path.with_suffix(".json").unlink()
    assert list(open_labelled("folder", folders, path, quiet).classes) == list(CLASSES)


def test_images_get_the_numbers_of_other_classes() -> None:
    images = numbered(3).with_classes(["2", "x", "0"])
    assert images.own_labels.tolist() == [2, -1, 0] and list(images.classes) == ["2", "x", "0"]
    assert images.with_classes(["0", "2"]).own_labels.tolist() == [0, -1, 1]


def test_training_images_are_not_taken_for_test_images(tmp_path) -> None:
    write_classes(tmp_path / "data")
    with pytest.raises(InputError, match="no folder test; name the images"):
        open_labelled("folder", [str(tmp_path / "data")], tmp_path / "p.npy", quiet, split="test")


def test_images_that_cannot_be_read_are_left_out_and_named(tmp_path) -> None:
    write_classes(tmp_path / "data")
    (tmp_path / "data/cat/1.png").write_bytes(b"rubbish")
    lines: list[str] = []
    images = open_labelled("folder", [str(tmp_path / "data")], tmp_path / "p.npy", lines.append)
    assert len(images) == 5 and any("cat/1.png" in line for line in lines)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda root: None, "no such folder"),
        (lambda root: root.mkdir(), "holds no classes"),
        (lambda root: [(root / name).mkdir(parents=True) for name in CLASSES], "no usable image"),
        (lambda root: (write_classes(root), write_classes(root / "dog", side_px=9)), "9x9, not 8x8"),
    ],
)
def test_folders_without_usable_images_are_refused(tmp_path, make, says: str) -> None:
    make(tmp_path / "data")
    with pytest.raises(InputError, match=says):
        open_labelled("folder", [str(tmp_path / "data")], tmp_path / "p.npy", quiet)
    assert not (tmp_path / "p.npy").exists()


def test_a_folder_is_needed_but_not_for_digits(tmp_path) -> None:
    with pytest.raises(UsageError, match="name the folder"):
        open_labelled("folder", [], tmp_path / "p.npy", quiet)
    with pytest.raises(UsageError, match="name no folder"):
        open_labelled("digits", ["x"], tmp_path / "p.npy", quiet)


def test_digits_are_those_of_scikit_learn(tmp_path) -> None:
    digits = pytest.importorskip("sklearn.datasets").load_digits()
    parts = [
        open_labelled("digits", [], tmp_path / f"{split}.npy", quiet, split=split)
        for split in ("train", "test")
    ]
    assert [len(part) for part in parts] == [1437, 360]
    assert np.concatenate([part.own_labels for part in parts]).tolist() == digits.target.tolist()
    pixels, _ = parts[1].batch(slice(0, 1))
    small = pixels[0, :, :, 0].reshape(8, 4, 8, 4).mean((1, 3)) * (16 / 255)  # the mean of a pixel's block
    assert np.abs(small - digits.images[1437]).mean() < 1.0
    assert np.corrcoef(small.ravel(), digits.images[1437].ravel())[0, 1] > 0.97


def test_classes_of_images_to_classify_come_from_their_folder(tmp_path) -> None:
    write_classes(tmp_path / "data" / "test", count=1)
    (tmp_path / "data/other").mkdir()
    (tmp_path / "data/test/dog/0.png").rename(tmp_path / "data/other/0.png")
    images, names = decode_all(images_of_classes(tmp_path / "data", CLASSES), quiet)
    found = {Path(name).parent.name: int(label) for name, label in zip(names, images.own_labels, strict=True)}
    assert found == {"cat": 0, "other": -1}


def test_the_same_images_are_always_held_out() -> None:
    trained, held_out = numbered(50).split(10)
    labels = held_out.own_labels.tolist()
    assert len(labels) == 10 and not set(labels) & set(trained.own_labels.tolist())
    assert labels == numbered(50).split(10)[1].own_labels.tolist() and labels != list(range(10))
    with pytest.raises(UsageError, match="held_out 50 leaves none of 50"):
        numbered(50).split(50)


def test_an_epoch_has_every_image_once_and_its_own_order() -> None:
    batches = LabelledBatches(numbered(12), batch=4, seed=1)
    epochs = [
        [label for step in steps for label in batches.at(step)[1].tolist()]
        for steps in ((1, 2, 3), (4, 5, 6))
    ]
    assert [sorted(epoch) for epoch in epochs] == [list(range(12))] * 2 and epochs[0] != epochs[1]
    images, labels = batches.at(2)
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert LabelledBatches(numbered(12), 4, seed=1, channels_last=False).at(2)[0].is_contiguous()
    assert images.shape == (4, 3, 4, 4) and torch.equal(images[:, 0, 0, 0] * 255, labels.float())


def test_processes_share_the_batch_of_one() -> None:
    whole = LabelledBatches(numbered(12), batch=4, seed=1)
    shares = [LabelledBatches(numbered(12), batch=2, seed=1, part=(index, 2)) for index in (0, 1)]
    for step in range(1, 7):
        together = [label for share in shares for label in share.at(step)[1].tolist()]
        assert together == whole.at(step)[1].tolist()


def test_shifts_pad_with_black_and_keep_the_size() -> None:
    image = np.full((300, 4, 4, 3), 255, np.uint8)
    moved = shifted(image, 2, np.random.default_rng(0))
    corners = {tuple((moved[n, :, :, 0] > 0).sum(axis).max() for axis in (0, 1)) for n in range(300)}
    assert moved.shape == image.shape and corners == {(a, b) for a in (2, 3, 4) for b in (2, 3, 4)}
    assert np.array_equal(shifted(image, 0, np.random.default_rng(0)), image)


def test_half_of_the_images_are_mirrored() -> None:
    pixels = np.zeros((200, 4, 4, 3), np.uint8)
    pixels[:, :, 0] = 200
    images = LabelledImages("left", ["a"], pixels, np.zeros(200, np.int64))
    found = LabelledBatches(images, 200, seed=1, flips=True).at(1)[0]
    left, right = (found[:, 0, 0, column] > 0 for column in (0, 3))
    assert torch.equal(left, ~right) and 70 < int(right.sum()) < 130
    assert torch.equal(found, LabelledBatches(images, 200, seed=1, flips=True).at(1)[0])
