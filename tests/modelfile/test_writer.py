from __future__ import annotations

import os
import stat
from dataclasses import replace

import numpy as np
import pytest

import graphs
from sparsesr.errors import ModelError
from sparsesr.modelfile.reader import read_model
from sparsesr.modelfile.spec import Graph
from sparsesr.modelfile.writer import encode_model, write_model


@pytest.fixture
def model():
    return graphs.plain()


@pytest.mark.parametrize("dtype", ["f32", "f16"])
def test_same_model_same_bytes(model, dtype):
    first = encode_model(model.facts, model.graph, model.tensors, dtype)
    backwards = dict(reversed(list(model.tensors.items())))
    assert encode_model(model.facts, model.graph, backwards, dtype) == first


def test_f16_is_half_the_size(model):
    f32, f16 = (encode_model(model.facts, model.graph, model.tensors, dtype) for dtype in ("f32", "f16"))
    stored = sum(tensor.size for tensor in model.tensors.values())
    assert abs(len(f32) - len(f16) - 2 * stored) < 200


def test_replaces_a_file_and_leaves_nothing_else(model, tmp_path):
    path = tmp_path / "m.safetensors"
    path.write_text("old")
    write_model(path, model.facts, model.graph, model.tensors)
    assert read_model(path).facts == model.facts
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permission bits")
def test_permissions_are_those_of_a_new_file(model, tmp_path):
    plain_file = tmp_path / "plain"
    plain_file.touch()
    path = tmp_path / "m.safetensors"
    write_model(path, model.facts, model.graph, model.tensors)
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain_file.stat().st_mode)


def test_a_link_is_kept_and_its_file_replaced_with_the_same_permissions(model, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    path, link = tmp_path / "elsewhere" / "m.safetensors", tmp_path / "link.safetensors"
    link.symlink_to(path)
    write_model(link, model.facts, model.graph, model.tensors)
    path.chmod(0o600)
    write_model(link, replace(model.facts, license="MIT"), model.graph, model.tensors)
    assert link.is_symlink() and read_model(path).facts.license == "MIT"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["m.safetensors"]


def test_long_names_in_any_script(model, tmp_path):
    path = tmp_path / ("\N{HOUSE BUILDING}" * 60 + ".safetensors")
    write_model(path, model.facts, model.graph, model.tensors)
    assert read_model(path).facts == model.facts


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"license": "caf\udce9"}, "facts.license"),
        ({"training": {"data": [{"name": "\ud83d"}]}}, "facts.training.data.name"),
        ({"training": {"\udce9": 1}}, r"facts.training.\\udce9"),
    ],
)
def test_text_that_is_not_unicode_is_named(model, tmp_path, change, named):
    with pytest.raises(ModelError, match=f"m.safetensors: the description: {named} is not valid UTF-8 text"):
        write_model(tmp_path / "m.safetensors", replace(model.facts, **change), model.graph, model.tensors)
    assert list(tmp_path.iterdir()) == []


def test_characters_beyond_the_first_plane_are_kept(model, tmp_path):
    facts = replace(model.facts, license="\N{HOUSE BUILDING} \\ud83c")
    write_model(tmp_path / "m.safetensors", facts, model.graph, model.tensors)
    assert read_model(tmp_path / "m.safetensors").facts == facts


def test_a_failure_keeps_the_old_file(model, tmp_path, monkeypatch):
    path = tmp_path / "m.safetensors"
    path.write_text("old")

    def disk_full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(ModelError, match=r"m.safetensors: cannot write the model file: No space left"):
        write_model(path, model.facts, model.graph, model.tensors)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_folder(model, tmp_path):
    with pytest.raises(ModelError, match="No such file or directory"):
        write_model(tmp_path / "no" / "m.safetensors", model.facts, model.graph, model.tensors)


def refused(model, says, dtype="f32"):
    with pytest.raises(ModelError, match=says):
        encode_model(model.facts, model.graph, model.tensors, dtype)


def changed(model, **tensors):
    return replace(model, tensors={**model.tensors, **tensors})


def test_refuses_models_that_the_reader_would_refuse(model):
    unfinished = Graph("image", "output", model.graph.nodes[:-1])
    refused(replace(model, graph=unfinished), "is not an image of 3 channels, upscaled x2")
    refused(replace(model, facts=replace(model.facts, scale=4)), "is not an image of 3 channels, upscaled x4")
    refused(replace(model, facts=replace(model.facts, scale=2.0)), "scale must be a whole number")
    refused(changed(model, extra=np.zeros(3, np.float32)), "'extra' belongs to no node")
    refused(changed(model, **{"tail.bias": np.full(12, np.nan)}), "holds NaN or infinite")


def test_refuses_facts_that_json_cannot_represent(model):
    facts = replace(model.facts, training={"psnr": np.float32(3)})
    refused(replace(model, facts=facts), "the description cannot be stored as JSON")
    refused(
        replace(model, facts=replace(model.facts, training={"psnr": float("nan")})),
        "cannot be stored as JSON",
    )


def test_f16_must_hold_the_values(model):
    big = changed(model, **{"tail.bias": np.full(12, 70_000, np.float32)})
    encode_model(big.facts, big.graph, big.tensors, "f32")
    refused(big, "'tail.bias' holds values that do not fit in f16; store it as f32", "f16")


def test_unknown_dtype(model):
    refused(model, "stored as f32 or f16, not bf16", "bf16")
