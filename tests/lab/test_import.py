"""Import: networks are detected from their tensors; bad and hostile files give one line."""

from __future__ import annotations

import io
import os
import pickle
import zipfile

import pytest
import safetensors.torch
import torch

from lab.smsr_cases import random_image, small_smsr
from sparsesr.cli import import_model
from sparsesr.errors import ModelError
from sparsesr.lab.export import checkpoint, checkpoint_reader
from sparsesr.lab.export.architectures import build_network
from sparsesr.lab.export.checkpoint import read_checkpoint
from sparsesr.lab.export.importer import load_network
from sparsesr.modelfile import catalogue


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSESR_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize(
    "settings",
    [{}, {"scale": 3}, {"scale": 4, "modules": 1}, {"layers": 2, "channels": 6}, {"value_range": 1.0}],
)
def test_hyper_parameters_are_recovered(settings):
    dense = [[1] * settings.get("layers", 3)] * settings.get("modules", 2)
    module = small_smsr(dense, **settings)
    architecture, found = build_network(module.state_dict(), "test")
    assert architecture.name == "smsr" and found.config == module.config and not found.training
    with torch.no_grad():
        assert torch.equal(found(random_image()), module(random_image()))


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_read(tmp_path, suffix):
    path, state = tmp_path / f"small{suffix}", small_smsr().state_dict()
    if suffix == ".safetensors":
        safetensors.torch.save_file(state, path)
    else:
        torch.save(
            {"epoch": 3, "params": {f"module.{key}": value.half() for key, value in state.items()}}, path
        )
    tensors = read_checkpoint(path)
    assert tensors.keys() == state.keys()
    assert all(torch.allclose(tensors[key], state[key], rtol=1e-3, atol=1e-3) for key in state)


def test_import_installs_and_overwrites_only_on_request(tmp_path, capsys):
    path = tmp_path / "small.pt"
    torch.save(small_smsr().state_dict(), path)
    assert import_model.run(path, "mine", "unknown", False) == 0
    out = capsys.readouterr().out
    assert "mine: smsr x2" in out and "dB lost in bf16" in out
    model = catalogue.load("mine")
    assert model.facts.license == "unknown" and model.facts.name == "mine"
    assert model.facts.cost("bf16") is not None, "what bf16 costs is measured on the way"
    with pytest.raises(ModelError, match="exists"):
        import_model.run(path, "mine", "unknown", False)
    assert import_model.run(path, "mine", "MIT", True) == 0
    assert catalogue.load("mine").facts.license == "MIT"


def state_without(*names):
    return {key: value for key, value in small_smsr().state_dict().items() if key not in names}


def with_nan():
    state = small_smsr().state_dict()
    state["head.2.bias"][1] = float("nan")
    return state


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"conv.weight": torch.zeros(3)}, r"not a known network; known architectures: smsr"),
        (state_without("tail.0.bias", "head.2.bias"), r"missing: head\.2\.bias, tail\.0\.bias"),
        ({**state_without(), "extra": torch.zeros(1)}, r"unexpected: extra"),
        ({**state_without(), "head.2.bias": torch.zeros(3)}, r"head\.2\.bias \[3\] instead of \[8\]"),
        ({**state_without(), "tail.0.weight": torch.zeros(5, 8, 3, 3)}, r"looks like smsr, but scale"),
        ({**state_without(), "head.0.weight": torch.zeros(60_000, 1, 1, 1)}, r"are inconsistent"),
        ({**state_without(), "sub_mean.bias": torch.zeros(3)}, r"mean colour"),
    ],
    ids=["unknown", "missing", "extra", "shape", "scale", "sizes", "mean"],
)
def test_mismatches_are_named(state, message):
    with pytest.raises(ModelError, match=message) as caught:
        build_network(state, "bad.pt")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (state_without("head.2.bias"), r"bad\.pt: .*missing: head\.2\.bias"),
        (with_nan(), r"head\.2\.bias holds NaN"),
        ([1, 2], "no named weights"),
    ],
    ids=["missing", "nan", "list"],
)
def test_unusable_files_are_named(tmp_path, content, message):
    path = tmp_path / "bad.pt"
    torch.save(content, path)
    with pytest.raises(ModelError, match=message) as caught:
        load_network(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [{"epoch": 3}, {"weight": [1.0]}, {3: torch.zeros(1)}, None])
def test_files_without_weights_are_refused(content):
    with pytest.raises(checkpoint_reader.RefusedError, match="no named weights"):
        checkpoint_reader._tensors(content)


class Hostile:
    def __init__(self, target) -> None:
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def zip_checkpoint(pickled: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")
    return buffer.getvalue()


@pytest.mark.parametrize("wrap", [bytes, zip_checkpoint])
def test_a_hostile_pickle_is_never_run(tmp_path, wrap):
    target, path = tmp_path / "owned", tmp_path / "evil.pt"
    path.write_bytes(wrap(pickle.dumps({"weight": Hostile(target)})))
    with pytest.raises(ModelError) as caught:
        read_checkpoint(path)
    assert not target.exists() and "\n" not in str(caught.value)


def damaged(kind: str) -> bytes:
    buffer = io.BytesIO()
    torch.save(small_smsr().state_dict(), buffer)
    data = buffer.getvalue()
    return {"empty": b"", "text": b"hello", "cut": data[: len(data) // 2], "zeros": bytes(1000)}[kind]


@pytest.mark.parametrize("kind", ["empty", "text", "cut", "zeros"])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_damaged_files(tmp_path, kind, suffix):
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(damaged(kind))
    with pytest.raises(checkpoint_reader.RefusedError, match=r"damaged|not a complete") as caught:
        checkpoint_reader._load(path)  # in this process: the child starts for two seconds
    assert "\n" not in str(caught.value)
    if kind == "cut":
        with pytest.raises(ModelError, match=rf"damaged{suffix}: {caught.value.args[0][:20]}"):
            read_checkpoint(path)


def test_a_tensor_far_larger_than_its_file(tmp_path):
    path = tmp_path / "huge.pt"
    torch.save({"weight": torch.zeros(1).expand(1 << 40)}, path)
    with pytest.raises(ModelError, match=r"memory|limits|cannot be read"):
        read_checkpoint(path)


def reader_that(monkeypatch, tmp_path, code: str) -> None:
    """Makes the child process run this instead of the reader, after setting the reader's limits."""
    (tmp_path / "other_reader.py").write_text(
        "import sys, time; from pathlib import Path; from sparsesr.lab.export import checkpoint_reader as reader\n"
        f"reader._CPU_SECONDS = 1; reader._limit_resources(0)\n{code}\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(checkpoint, "_READER", "other_reader")


def test_a_hanging_reader_is_stopped(tmp_path, monkeypatch):
    torch.save(small_smsr().state_dict(), tmp_path / "small.pt")
    reader_that(monkeypatch, tmp_path, "time.sleep(3600)")
    monkeypatch.setattr(checkpoint, "_HANGS_AFTER_S", 0.5)
    with pytest.raises(ModelError, match=r"more than 0\.5 s and was stopped"):
        read_checkpoint(tmp_path / "small.pt")


@pytest.mark.skipif(os.name != "posix", reason="no limit of processor time")
def test_a_reader_that_never_finishes_is_ended_by_its_processor_time(tmp_path, monkeypatch):
    """So the wall-clock limit can be generous: on a busy machine a reader uses no more processor time."""
    torch.save(small_smsr().state_dict(), tmp_path / "small.pt")
    reader_that(monkeypatch, tmp_path, "while True: pass")
    with pytest.raises(ModelError, match="could not be read within the limits"):
        read_checkpoint(tmp_path / "small.pt")
    assert checkpoint._HANGS_AFTER_S >= 20 * checkpoint_reader._CPU_SECONDS


def test_files_of_other_kinds_are_refused(tmp_path):
    with pytest.raises(ModelError, match="cannot be read"):
        read_checkpoint(tmp_path / "missing.pt")
    with pytest.raises(ModelError, match=r"checkpoints are \.pt"):
        read_checkpoint(tmp_path / "photo.jpg")
    (tmp_path / "folder.pt").mkdir()
    with pytest.raises(ModelError, match="cannot be read"):
        read_checkpoint(tmp_path / "folder.pt")
