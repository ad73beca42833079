"""Networks measured in torch and natively, and results of the published weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from image_sets import write_two_sets
from lab.smsr_cases import small_smsr
from runtime.random_graphs import tokens
from sparsesr.cli import evaluate as cli
from sparsesr.errors import UsageError
from sparsesr.lab.evaluate.torch_method import TorchMethod, load_checkpoint, open_in_torch
from sparsesr.lab.export.exporter import export
from sparsesr.measure.chopped import ChoppedMethod
from sparsesr.measure.method import Method
from sparsesr.measure.native import NativeMethod, open_method
from sparsesr.measure.protocol import find_sets
from sparsesr.measure.quality import evaluate
from sparsesr.modelfile.catalogue import install_model
from sparsesr.modelfile.writer import write_model

SET5_PSNR = {"baby": 38.888, "bird": 43.282, "butterfly": 35.382, "head": 35.988, "woman": 36.415}
SET5_MASKS = {
    "baby": (0.082, 0.189, 0.398, 0.061, 0.153),
    "bird": (0.400, 0.202, 0.457, 0.188, 0.380),
    "butterfly": (0.477, 0.584, 0.742, 0.680, 0.645),
    "head": (0.321, 0.330, 0.550, 0.178, 0.326),
    "woman": (0.204, 0.302, 0.543, 0.359, 0.397),
}
TOLERANCE_DB = {"torch": 0.002, "native": 0.005}


@pytest.fixture
def data(tmp_path):
    return write_two_sets(tmp_path / "data")


def test_crops_are_measured_separately_in_torch_too(tmp_path):
    model = tokens()
    write_model(tmp_path / "tokens.safetensors", model.facts, model.graph, model.tensors)
    whole = open_in_torch(str(tmp_path / "tokens.safetensors"), 1)
    image = np.random.default_rng(0).integers(0, 256, (41, 38, 3), np.uint8)
    chopped = ChoppedMethod(whole).upscale(image)
    assert chopped.image.shape == (82, 76, 3)
    corner = whole.upscale(image[:30, :29])  # the first quarter, with ten pixels more
    np.testing.assert_array_equal(chopped.image[:40, :38], corner.image[:40, :38])
    assert chopped.macs != whole.upscale(image).macs


@pytest.fixture
def installed(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSESR_HOME", str(tmp_path / "home"))
    install_model(export(small_smsr(), "small", check=False), "small")
    return "small"


def test_both_implementations_agree(data, installed):
    images = find_sets(data, 2, ["B"])[0]
    native, in_torch = (evaluate(open_(installed, 1), images) for open_ in (open_method, open_in_torch))
    for ours, theirs in zip(native.images, in_torch.images, strict=True):
        assert ours.psnr_y == pytest.approx(theirs.psnr_y, abs=0.005)
        assert ours.masks == pytest.approx(theirs.masks, abs=0.01)
        assert 0 < ours.density < 1 and ours.macs > 0
    assert native.mean("psnr_y") == np.mean([image.psnr_y for image in native.images])


def test_the_form_is_chosen_and_checked(data, installed, capsys):
    for form in ("native", "torch"):
        assert cli.run(data, [installed], ["A"], form=form, threads=1, as_json=True) == 0
        assert json.loads(capsys.readouterr().out)["form"] == form
    with pytest.raises(UsageError, match="not x3"):
        cli.run(data, [installed], scale=3, form="torch")
    for precision in ("bf16", "auto"):
        with pytest.raises(UsageError, match="--form torch measures in fp32 only"):
            cli.run(data, [installed], form="torch", precision=precision)


def test_checkpoints_are_measured_too(data, tmp_path, capsys):
    torch.save(small_smsr().state_dict(), tmp_path / "small.pt")
    for form in ("torch", "native"):
        assert cli.run(data, [str(tmp_path / "small.pt")], ["A"], form=form, threads=1, as_json=True) == 0
    in_torch, native = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert in_torch["precision"] == native["precision"] == "fp32"
    assert in_torch["mean"]["psnr_y"] == pytest.approx(native["mean"]["psnr_y"], abs=0.005)


# --- the published weights ---


@pytest.fixture
def official(shared_dir) -> Path:
    path = shared_dir / "checkpoints" / "smsr_x2_official.pt"
    if not path.is_file():
        pytest.skip("the shared data has no official weights")
    return path


def opened(checkpoint: Path, form: str) -> Method:
    module, model = load_checkpoint(checkpoint)
    return TorchMethod(module, model) if form == "torch" else NativeMethod(model)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["torch", "native"])
def test_set5(official, benchmarks_dir, form):
    result = evaluate(opened(official, form), find_sets(benchmarks_dir, 2, ["Set5"])[0])
    for image in result.images:
        assert image.psnr_y == pytest.approx(SET5_PSNR[image.name], abs=TOLERANCE_DB[form])
        assert tuple(image.masks.values()) == pytest.approx(SET5_MASKS[image.name], abs=0.002)
    assert result.mean("psnr_y") == pytest.approx(37.991, abs=TOLERANCE_DB[form])
    assert result.mean("ssim_y") == pytest.approx(0.9602, abs=1e-4)
    assert result.mean("density") == pytest.approx(0.416, abs=0.001)


@pytest.mark.slow
def test_set14(official, benchmarks_dir):
    result = evaluate(opened(official, "native"), find_sets(benchmarks_dir, 2, ["Set14"])[0])
    assert result.mean("psnr_y") == pytest.approx(33.623, abs=0.005)
    assert result.mean("ssim_y") == pytest.approx(0.9179, abs=1e-4)
    assert result.mean("density") == pytest.approx(0.537, abs=0.001)
