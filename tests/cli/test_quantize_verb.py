"""``sparsesr models quantize``, and int8 asked of models without scales. No torch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runtime.random_graphs import only_bicubic
from sparsesr import _native
from sparsesr.cli.main import main
from sparsesr.modelfile.catalogue import default_model_for, install_model, load
from sparsesr.modelfile.describe import int8_layers
from sparsesr.modelfile.reader import read_description, read_model
from sparsesr.runtime.session import Session
from support.tiny_models import photo, tiny

needs_int8 = pytest.mark.skipif(not _native.has_fast_int8(), reason="this processor has no int8 instructions")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("SPARSESR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    install_model(tiny(), "tiny", dtype="f16")
    Image.fromarray(photo(30, 40)).save("a.png")
    return tmp_path


def test_scales_and_their_cost_are_stored(capsys):
    before = load("tiny")
    assert main(["models", "quantize", "tiny"]) == 0
    out = capsys.readouterr().out
    after = load("tiny")
    assert f"{int8_layers(after.graph)} layers can run in int8" in out and int8_layers(after.graph) > 5
    (cost,) = after.facts.int8_costs
    assert f"int8 costs at most {max(cost.worst_db, 0):.4f} dB" in out
    assert after.facts.bf16_costs == before.facts.bf16_costs
    stored = read_description(Path("home/models/tiny.safetensors")).header.tensors.values()
    assert {tensor.dtype for tensor in stored} == {"F16"}
    image = photo(20, 24)
    same = [Session(model, 1).run(image).image for model in (before, after)]
    np.testing.assert_array_equal(*same)
    written = Path("home/models/tiny.safetensors").read_bytes()
    assert main(["models", "quantize", "tiny"]) == 0
    assert Path("home/models/tiny.safetensors").read_bytes() == written, "the same file again"


def test_scales_hold_for_noisy_images_if_asked(capsys):
    def head_scale(*more: str) -> float:
        assert main(["models", "quantize", "tiny", *more]) == 0
        graph = load("tiny").graph
        return max(scale for node in graph.nodes for scale in node.attrs.get("int8_scales", ()))

    assert head_scale("--noise-sigma", "100") > 1.05 * head_scale()
    assert main(["models", "quantize", "tiny", "--noise-sigma", "-1"]) == 2
    assert "--noise-sigma must be 0 to 255" in capsys.readouterr().err


def test_output_and_its_refusals(capsys):
    bundled = default_model_for(2)
    before = bundled.path.read_bytes()
    assert main(["models", "quantize", bundled.name]) == 2
    assert "name a file to write" in capsys.readouterr().err
    assert main(["models", "quantize", "tiny", "-o", "x.pt"]) == 2
    Path("x.safetensors").write_bytes(b"mine")
    assert main(["models", "quantize", "tiny", "-o", "x.safetensors"]) == 2
    assert Path("x.safetensors").read_bytes() == b"mine"
    assert main(["models", "quantize", "tiny", "-o", "x.safetensors", "--overwrite"]) == 0
    assert int8_layers(read_model("x.safetensors").graph) and not int8_layers(load("tiny").graph)
    assert bundled.path.read_bytes() == before


def test_a_network_without_such_layers_is_refused(capsys):
    install_model(only_bicubic(), "bicubic")
    assert main(["models", "quantize", "bicubic"]) == 2
    assert "no layer that can run in int8" in capsys.readouterr().err


@needs_int8
def test_int8_of_a_model_without_scales_calibrates_it_on_the_spot(capsys):
    assert main(["upscale", "a.png", "-n", "tiny", "--precision", "int8", "--json", "-j", "1"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["precision"] == "int8" and "calibrating it on the bundled photographs" in err
    assert not int8_layers(load("tiny").graph), "the file is left alone"
    assert main(["models", "quantize", "tiny"]) == 0
    capsys.readouterr()
    again = ["upscale", "a.png", "-n", "tiny", "--precision", "int8", "--overwrite", "-j", "1"]
    assert main(again) == 0
    assert "calibrating" not in capsys.readouterr().err


@needs_int8
def test_int8_at_a_size_that_is_no_scale_of_the_model(capsys):
    command = ["upscale", "a.png", "-n", "tiny", "--precision", "int8", "--width", "50", "--json", "-j", "1"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["precision"] == "int8" and err.count("calibrating") == 1
    with Image.open("a_w50.png") as result:
        assert result.width == 50


def test_int8_without_the_instructions_runs_in_fp32(capsys, monkeypatch):
    monkeypatch.setattr(_native, "has_fast_int8", lambda: False)
    assert main(["upscale", "a.png", "-n", "tiny", "--precision", "int8", "--json", "-j", "1"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["precision"] == "fp32" and "no int8 instructions" in record["precision_reason"]
