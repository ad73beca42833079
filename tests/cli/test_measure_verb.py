"""``sparsesr models measure``: the cost of bf16 is recorded in the file and read by others. No torch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runtime.random_graphs import only_bicubic
from sparsesr import _native
from sparsesr.cli.main import main
from sparsesr.image.resize import imresize
from sparsesr.modelfile.catalogue import BUNDLED, default_model_for, install_model, list_models, load
from sparsesr.modelfile.precision_cost import REDUCED_PRECISIONS
from sparsesr.modelfile.reader import read_description
from sparsesr.runtime import precision
from sparsesr.runtime.session import Session
from support.tiny_models import photo, tiny


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("SPARSESR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    install_model(tiny(), "tiny")
    return tmp_path


def records(capsys, *arguments: str) -> list[dict]:
    assert main(["models", "measure", "--json", *arguments]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def luma_psnr(a: np.ndarray, b: np.ndarray) -> float:
    """The convention of the literature for x2, independent of ours: BT.601 luma of 8 bits, two pixels shaved."""
    error = (a[2:-2, 2:-2].astype(float) - b[2:-2, 2:-2]) @ [65.738 / 256, 129.057 / 256, 25.064 / 256]
    return float(10 * np.log10(255**2 / np.mean(error**2)))


def test_the_figures_compare_both_results_with_the_reference(capsys, folder):
    losses, exact_db = [], []
    (folder / "mine").mkdir()
    sessions = [Session(tiny(), 1), Session(tiny(), 1, "bf16", emulate=True)]
    for seed in (1, 2):
        truth = photo(48, 64, seed=seed)
        Image.fromarray(truth).save(folder / "mine" / f"{seed}.png")
        small = imresize(truth, 0.5, edge="mirror")
        exact, short = (luma_psnr(s.run(small, out_dtype=np.uint8).image, truth) for s in sessions)
        exact_db.append(exact)
        losses.append(exact - short)
    assert losses[0] != losses[1] and any(losses)
    (record,) = records(capsys, "tiny", "--data", "mine")
    assert record["psnr_y_db"] == pytest.approx(np.mean(exact_db), abs=6e-4)
    assert record["mean_db"] == pytest.approx(np.mean(losses), abs=6e-6)
    assert record["worst_db"] == pytest.approx(max(losses), abs=6e-6)
    assert record["measured_on"] == "mine (2 images)"
    assert load("tiny").facts.cost("bf16").worst_db == record["worst_db"]


@pytest.mark.parametrize("dtype", ["f32", "f16"])
def test_nothing_else_in_the_file_changes(capsys, dtype):
    entry = install_model(tiny(), "stored", dtype=dtype)
    before, size = load("stored"), entry.path.stat().st_size
    records(capsys, "stored")
    after = load("stored")
    assert after.graph == before.graph and after.facts.name == "stored"
    assert {tensor.dtype for tensor in read_description(entry.path).header.tensors.values()} == {
        dtype.upper()
    }
    for name, tensor in before.tensors.items():
        np.testing.assert_array_equal(after.tensors[name], tensor)
    assert 0 < entry.path.stat().st_size - size < 400
    written = entry.path.read_bytes()
    records(capsys, "stored")
    assert entry.path.read_bytes() == written, "measuring again gives the same file"


def test_auto_and_doctor_read_the_record(capsys, monkeypatch):
    monkeypatch.setattr(_native, "has_fast_bf16", lambda: True)
    monkeypatch.setattr(_native, "has_fast_int8", lambda: False)
    monkeypatch.setattr(precision, "gain", lambda _: 2.0)
    monkeypatch.setitem(precision.MAX_COST_DB, "bf16", 100.0)  # the weights are random
    Image.fromarray(photo(30, 40)).save("a.png")

    def upscaled() -> tuple[str, str]:
        assert main(["upscale", "a.png", "-n", "tiny", "--json", "--overwrite", "-j", "1"]) == 0
        record = json.loads(capsys.readouterr().out)
        return record["precision"], record["precision_reason"]

    chosen, reason = upscaled()
    assert chosen == "fp32" and precision.cost_words("bf16", None) in reason
    main(["doctor"])
    out = capsys.readouterr().out
    assert "ok; cost of bf16 not measured (run `sparsesr models measure tiny`)" in out
    assert "cost of int8 not measured (run `sparsesr models quantize tiny`)" in out
    (record,) = records(capsys, "tiny")
    assert record["measured_on"] == "astronaut, chelsea, coffee, rocket" and record["auto_may_take_it"]
    assert upscaled()[0] == "bf16"
    main(["doctor"])
    assert f"ok; bf16 costs at most {max(record['worst_db'], 0):.4f} dB" in capsys.readouterr().out
    assert main(["models", "show", "tiny"]) == 0
    assert f"worst_db {record['worst_db']}" in capsys.readouterr().out
    monkeypatch.setitem(precision.MAX_COST_DB, "bf16", record["worst_db"] - 1e-6)
    assert upscaled()[0] == "fp32"


def test_the_record_is_printed_in_words(capsys):
    assert main(["models", "measure", "tiny"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("tiny x2: ") and "measured on astronaut" in out and not err


def test_bundled_models_are_measured_but_not_changed(capsys):
    entry = default_model_for(2)
    before = entry.path.read_bytes()
    assert main(["models", "measure", entry.name]) == 0
    out, err = capsys.readouterr()
    assert "not more than 0.01 dB" in out and "was not changed" in err
    assert entry.path.read_bytes() == before


@pytest.mark.parametrize("entry", [e for e in list_models() if e.origin == BUNDLED], ids=lambda e: e.name)
def test_bundled_models_record_what_is_measured(capsys, entry):
    """A different order of summation, as on another processor, changes an image's PSNR by about 0.001 dB."""
    facts, measured = load(entry.path).facts, records(capsys, entry.name)
    recorded = [(name, cost) for name in REDUCED_PRECISIONS for cost in facts.costs(name)]
    assert [(name, cost.scale) for name, cost in recorded] == [(r["precision"], r["scale"]) for r in measured]
    for (_, cost), record in zip(recorded, measured, strict=True):
        assert cost.psnr_y_db == pytest.approx(record["psnr_y_db"], abs=0.005)
        assert cost.worst_db == pytest.approx(record["worst_db"], abs=0.005)
        assert cost.measured_on == record["measured_on"]


def test_a_network_without_bf16_layers_has_no_record(capsys):
    entry = install_model(only_bicubic(), "bicubic")
    before = entry.path.read_bytes()
    assert main(["models", "measure", "bicubic"]) == 0
    assert "no layer can run in bf16" in capsys.readouterr().err
    assert entry.path.read_bytes() == before


def test_a_failed_measurement_leaves_the_file_unchanged(capsys, folder):
    before = (folder / "home" / "models" / "tiny.safetensors").read_bytes()
    (folder / "empty").mkdir()
    for name in ("A", "B"):
        (folder / "both" / name / "HR").mkdir(parents=True)
        Image.fromarray(photo(30, 40)).save(folder / "both" / name / "HR" / "one.png")
    for arguments, status in (
        (["--data", "empty"], 3),
        (["--data", "none"], 3),
        (["--data", "both"], 3),
        (["-j", "0"], 2),
    ):
        assert main(["models", "measure", "tiny", *arguments]) == status
        assert capsys.readouterr().err.count("\n") == 1
    assert main(["models", "measure", "nobody"]) == 3
    assert (folder / "home" / "models" / "tiny.safetensors").read_bytes() == before
