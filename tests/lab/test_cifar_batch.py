"""Batch files of CIFAR-10: whole, cut short, hostile and wrong ones, none of which is unpickled."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab.cifar_batches import COUNT, LABELS, PIXELS, ROW_BYTES, contents, write_batch
from sparsesr.errors import InputError
from sparsesr.lab.data.cifar_batch import CLASSES, read_cifar_batch, source_of_batch
from sparsesr.lab.data.labelled_images import decode_all


@pytest.mark.parametrize("protocol", [2, 3])
def test_a_whole_batch(tmp_path, protocol: int) -> None:
    pixels, labels = read_cifar_batch(write_batch(tmp_path / "test_batch", contents(), protocol))
    assert np.array_equal(pixels, PIXELS) and labels == LABELS


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("rest", [0, 1, ROW_BYTES - 1])
def test_a_batch_that_was_cut_short_gives_its_whole_images(tmp_path, protocol: int, rest: int) -> None:
    path = write_batch(tmp_path / "test_batch", contents(), protocol, keep=5 * ROW_BYTES + rest)
    pixels, labels = read_cifar_batch(path)
    assert np.array_equal(pixels, PIXELS[:5]) and labels == LABELS


def test_labels_are_matched_by_the_names_of_the_classes(tmp_path) -> None:
    path = write_batch(tmp_path / "test_batch", contents(), keep=5 * ROW_BYTES)
    lines: list[str] = []
    classes = ["bird", "airplane", "boat"]
    images, names = decode_all(source_of_batch(path, classes, lines.append), lines.append)
    assert CLASSES[:3] == ("airplane", "automobile", "bird")
    assert images.own_labels.tolist() == [1, -1, 0, -1, -1] and images.classes == classes
    assert np.array_equal(images.pixels, PIXELS[:5]) and names[4] == "test_batch 4"
    assert lines == [f"{path}: is cut short; holds 5 of 12 images"]


def test_nothing_in_the_file_is_run(tmp_path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    path = write_batch(tmp_path / "test_batch", contents(batch_label=Hostile()), 3)
    assert len(read_cifar_batch(path)[0]) == COUNT
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"labels": None}, "no labels at its beginning"),
        ({"labels": [3, 10]}, "labels outside 0 to 9"),
        ({"labels": LABELS[:-1]}, "36,864 bytes of pixels for 11 labels"),
        ({"data": None}, "no pixels after its labels"),
        ({"data": np.zeros((COUNT, ROW_BYTES // 4), np.float32)}, "not rows of bytes"),
        ({"data": np.asfortranarray(np.ones((COUNT, ROW_BYTES), np.uint8))}, "not rows of bytes"),
    ],
)
def test_other_contents_are_refused(tmp_path, changes: dict[str, Any], says: str) -> None:
    path = write_batch(tmp_path / "test_batch", contents(**changes))
    with pytest.raises(InputError, match=f"is no batch of CIFAR-10 images .*{says}") as caught:
        read_cifar_batch(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no labels"),
        (b"\x89PNG\r\n\x1a\n", "no labels"),
        (pickle.dumps([1, 2, 3]), "no labels"),
        (b"\x80\x02T\xff", "no labels"),
    ],
)
def test_other_files_are_refused(tmp_path, data: bytes, says: str) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(InputError, match=says):
        read_cifar_batch(tmp_path / "file")


def test_every_cut_is_refused_or_gives_whole_images(tmp_path) -> None:
    data = write_batch(tmp_path / "test_batch", contents(), keep=2 * ROW_BYTES).read_bytes()
    header_bytes = len(data) - 2 * ROW_BYTES
    for length in (*range(header_bytes + 2), header_bytes + ROW_BYTES - 1):
        (tmp_path / "cut").write_bytes(data[:length])
        with pytest.raises(InputError, match="is no batch"):
            read_cifar_batch(tmp_path / "cut")


def test_a_file_that_is_missing_or_too_large(tmp_path, monkeypatch) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_cifar_batch(tmp_path / "nothing")
    path = write_batch(tmp_path / "test_batch", contents())
    monkeypatch.setattr("sparsesr.lab.data.cifar_batch._MAX_FILE_BYTES", 1000)
    with pytest.raises(InputError, match="larger than"):
        read_cifar_batch(path)
