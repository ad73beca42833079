"""Arguments of a wrong kind are named; right ones in unusual forms are understood."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pytest
from PIL import Image

import sparsesr
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import ModelError, SparsesrError, UsageError
from sparsesr.modelfile.writer import write_model
from support.tiny_models import photo, tiny

WRONG = [
    ({"scale": "2"}, "scale: must be a number, not '2'"),
    ({"scale": True}, "scale: must be a number, not True"),
    ({"scale": [2]}, r"scale: must be a number, not \[2\]"),
    ({"threads": "2"}, "threads: must be a whole number, not '2'"),
    ({"threads": 1.5}, "threads: must be a whole number, not 1.5"),
    ({"memory": "2GB"}, "memory: must be a number, not '2GB'"),
    ({"memory": float("nan")}, "memory: must be a number of bytes, not nan"),
    ({"memory": float("inf")}, "memory: must be a number of bytes, not inf"),
    ({"effort": "0.5"}, "effort: must be a number, not '0.5'"),
    ({"target_ms": "9"}, "target_ms: must be a number, not '9'"),
    ({"quality": "90"}, "quality: must be a whole number, not '90'"),
    ({"depth": 8.0}, "depth: must be a whole number, not 8.0"),
    ({"inference": None}, "inference: None is unknown"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG, ids=[str(each[0]) for each in WRONG])
@pytest.mark.parametrize("is_file", [False, True])
def test_a_wrong_kind_is_named(tmp_path, arguments, words, is_file):
    if not is_file and {"quality", "depth"} & set(arguments):
        pytest.skip("for files only")
    Image.fromarray(photo(6, 8)).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match=words):
        sparsesr.upscale(tmp_path / "a.png" if is_file else photo(6, 8), model=tiny(), **arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_numbers_of_other_types_are_understood():
    expected = sparsesr.upscale(photo(6, 8), model=tiny(), effort=0.5)
    numbers = {"scale": np.int64(2), "effort": np.float32(0.5), "memory": 2e9, "threads": np.uint8(1)}
    np.testing.assert_array_equal(sparsesr.upscale(photo(6, 8), model=tiny(), **numbers), expected)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_any_layout_of_memory_is_understood(dtype):
    image = photo(6, 8, dtype)
    expected = sparsesr.upscale(image, model=tiny())
    swapped = image.astype(image.dtype.newbyteorder("S"))
    frozen = np.frombuffer(image.tobytes(), dtype).reshape(image.shape)
    padded = np.zeros((6, 9, 4), dtype)
    padded[:, 1:, :3] = image
    session = Upscaler(tiny()).network.session
    for same in (swapped, frozen, np.asfortranarray(image), padded[:, 1:, :3], image[::-1][::-1]):
        result = sparsesr.upscale(same, model=tiny())
        assert result.dtype == expected.dtype and result.dtype.isnative
        np.testing.assert_array_equal(result, expected)
        np.testing.assert_array_equal(session.run(same).image, expected)


def test_a_matrix_is_an_array():
    grey = photo(6, 8)[..., 0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        matrix = np.asmatrix(grey)
    result = sparsesr.upscale(matrix, model=tiny())
    assert type(result) is np.ndarray
    np.testing.assert_array_equal(result, sparsesr.upscale(grey, model=tiny()))


def test_swapped_alpha_and_grey():
    image = photo(6, 8, "uint16", channels=4)
    for part in (image, image[..., 0]):
        expected = sparsesr.upscale(part, model=tiny())
        np.testing.assert_array_equal(sparsesr.upscale(part.astype(">u2"), model=tiny()), expected)


def test_an_upscaler_is_pickled_for_another_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = tiny()
    write_model("own.safetensors", model.facts, model.graph, model.tensors)
    upscaler, image = Upscaler("own.safetensors", threads=1), photo(6, 8)
    pickled = pickle.dumps(upscaler)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    for again in (pickle.loads(pickled), copy.deepcopy(upscaler), copy.copy(upscaler)):  # noqa: S301
        np.testing.assert_array_equal(again(image).image, upscaler(image).image)
    result = upscaler(image)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(result)).image, result.image)  # noqa: S301


def test_the_home_folder_of_a_model(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    model = tiny()
    write_model(tmp_path / "own.safetensors", model.facts, model.graph, model.tensors)
    assert Upscaler("~/own.safetensors").scale == 2
    with pytest.raises(ModelError, match="a model is given by its name or path, not by 3"):
        Upscaler(3)


def test_errors_survive_pickling():
    for kind in (SparsesrError, *SparsesrError.__subclasses__()):
        error = kind("what", where=sparsesr.errors.Parameter("scale"), remedy="do")
        again = pickle.loads(pickle.dumps(error))  # noqa: S301
        assert type(again) is kind and str(again) == str(error) == "scale: what; do"
