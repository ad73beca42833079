"""Evaluation: the protocol, and the figures of the published weights."""

from __future__ import annotations

import csv
import json
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from lab.smsr_cases import small_smsr
from runtime.random_graphs import tokens
from sparsesr.cli import evaluate as cli
from sparsesr.errors import InputError, UsageError
from sparsesr.image.metrics import psnr_y
from sparsesr.image.resize import imresize
from sparsesr.lab.evaluate.comparison import ComparisonRow
from sparsesr.lab.evaluate.evaluation import evaluate
from sparsesr.lab.evaluate.forms import ChoppedForm, open_form, resolve_inference
from sparsesr.lab.evaluate.protocol import find_sets, load_pair
from sparsesr.lab.evaluate.quality_plot import quality_plot
from sparsesr.lab.export.exporter import export
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


def write_ppm(path, height: int, width: int, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    path.write_bytes(f"P6 {width} {height} 255\n".encode() + pixels.tobytes())


@pytest.fixture
def data(tmp_path):
    """Two sets of one and two pictures of awkward sizes."""
    write_ppm(tmp_path / "data" / "A" / "HR" / "one.ppm", 47, 53)
    write_ppm(tmp_path / "data" / "B" / "HR" / "two.ppm", 40, 42, 1)
    write_ppm(tmp_path / "data" / "B" / "HR" / "three.ppm", 45, 44, 2)
    return tmp_path / "data"


def test_sets_are_found(data):
    assert [found.name for found in find_sets(data, 2)] == ["A", "B"]
    assert [found.name for found in find_sets(data, 2, ["B"])] == ["B"]
    assert [image.name for image in find_sets(data / "B", 2)[0].images] == ["three", "two"]
    assert [image.name for image in find_sets(data / "B" / "HR", 2)[0].images] == ["three", "two"]


@pytest.mark.parametrize("form", ["native", "torch"])
def test_crops_are_measured_by_themselves(form, tmp_path):
    model = tokens()
    write_model(tmp_path / "tokens.safetensors", model.facts, model.graph, model.tensors)
    whole = open_form(str(tmp_path / "tokens.safetensors"), form, 1)
    image = np.random.default_rng(0).integers(0, 256, (41, 38, 3), np.uint8)
    chopped = ChoppedForm(whole).enlarge(image)
    assert chopped.image.shape == (82, 76, 3)
    corner = whole.enlarge(image[:30, :29])  # the first quarter, with ten pixels more
    np.testing.assert_array_equal(chopped.image[:40, :38], corner.image[:40, :38])
    assert chopped.macs != whole.enlarge(image).macs


def test_how_pictures_are_taken_is_chosen_and_named(data, tmp_path, capsys):
    model, path = tokens(), tmp_path / "tokens.safetensors"
    write_model(path, model.facts, model.graph, model.tensors)
    for asked, named in (("auto", "chopped"), ("whole", "whole"), ("chopped", "chopped")):
        assert cli.run(data, [str(path)], ["A"], inference=asked, as_json=True) == 0
        assert json.loads(capsys.readouterr().out)["inference"] == named
    assert resolve_inference("auto", export(small_smsr(), "small", check=False)) == "whole"
    with pytest.raises(UsageError, match="inference: 'half' is unknown"):
        cli.run(data, [str(path)], inference="half")


@pytest.mark.parametrize("scale", [2, 3])
def test_bicubic_is_what_models_are_compared_with(data, scale, capsys):
    assert cli.run(data, ["bicubic"], ["A"], scale=scale, as_json=True) == 0
    record = json.loads(capsys.readouterr().out)
    pair = load_pair(find_sets(data, scale, ["A"])[0].images[0], scale)
    assert record["images"][0]["psnr_y"] == pytest.approx(psnr_y(imresize(pair.lr, scale), pair.hr, scale))
    assert (record["model"], record["scale"], record["mean"]["macs"]) == ("bicubic", scale, 0)
    assert cli.run(data, ["bicubic"], ["A"], scale=scale, as_json=True, noise_sigma=25.0) == 0
    assert json.loads(capsys.readouterr().out)["mean"]["psnr_y"] < record["mean"]["psnr_y"]


def test_missing_sets_are_named(data, tmp_path):
    with pytest.raises(InputError, match="no set C here; there are A, B"):
        find_sets(data, 2, ["C"])
    with pytest.raises(InputError, match="no such folder"):
        find_sets(tmp_path / "nowhere", 2)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no pictures"):
        find_sets(tmp_path / "empty", 2)


@pytest.mark.parametrize(("scale", "lr"), [(2, (22, 26)), (3, (14, 16)), (4, (10, 12))])
def test_crop_to_even(data, scale, lr):
    pair = load_pair(find_sets(data, scale, ["A"])[0].images[0], scale, 2)
    assert pair.lr.shape == (*lr, 3) and pair.hr.shape == (lr[0] * scale, lr[1] * scale, 3)


def test_a_stored_picture_is_preferred_and_checked(data):
    folder = data / "A" / "LRx2_std"
    write_ppm(folder / "one.ppm", 23, 26, 7)
    image = find_sets(data, 2, ["A"])[0].images[0]
    assert image.lr == folder / "one.ppm"
    assert load_pair(image, 2, 2).lr.shape == (22, 26, 3)
    write_ppm(folder / "one.ppm", 20, 26, 7)
    with pytest.raises(InputError, match="is 26x20, but HR / 2 is 26x23"):
        load_pair(image, 2, 2)


def test_too_small(data):
    write_ppm(data / "C" / "HR" / "tiny.ppm", 2, 40)
    with pytest.raises(InputError, match="too small"):
        load_pair(find_sets(data, 2, ["C"])[0].images[0], 2, 2)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSESR_HOME", str(tmp_path / "home"))
    install_model(export(small_smsr(), "small", check=False), "small")
    return "small"


def test_both_forms_agree(data, installed):
    images = find_sets(data, 2, ["B"])[0]
    native, in_torch = (evaluate(installed, images, form, threads=1) for form in ("native", "torch"))
    for ours, theirs in zip(native.images, in_torch.images, strict=True):
        assert ours.psnr_y == pytest.approx(theirs.psnr_y, abs=0.005)
        assert ours.masks == pytest.approx(theirs.masks, abs=0.01)
        assert 0 < ours.density < 1 and ours.macs > 0
    assert native.mean("psnr_y") == np.mean([image.psnr_y for image in native.images])


def call(data, model, **given):
    settings = {"sets": None, "scale": None, "form": "native", "threads": 1, "as_json": False, **given}
    return cli.run(data, [model] if isinstance(model, str) else model, **settings)


def test_command(data, installed, capsys):
    assert call(data, installed, sets=["B"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["B,", "picture", "three", "two", "mean"]
    assert call(data, installed, as_json=True) == 0
    results = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [result["set"] for result in results] == ["A", "B"]
    assert results[0]["images"][0].keys() >= {"name", "psnr_y", "ssim_y", "density", "macs", "seconds"}


def test_command_refuses(data, installed):
    with pytest.raises(UsageError, match="not x3"):
        call(data, installed, scale=3)
    with pytest.raises(UsageError, match="native or torch"):
        call(data, installed, form="onnx")
    for precision in ("bf16", "auto"):
        with pytest.raises(UsageError, match="form: torch measures in fp32 only"):
            call(data, installed, form="torch", precision=precision)


def test_checkpoints_are_measured_too(data, tmp_path, capsys):
    torch.save(small_smsr().state_dict(), tmp_path / "small.pt")
    for form in ("torch", "native"):
        assert call(data, str(tmp_path / "small.pt"), sets=["A"], form=form, as_json=True) == 0
    in_torch, native = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert in_torch["precision"] == native["precision"] == "fp32"
    assert in_torch["mean"]["psnr_y"] == pytest.approx(native["mean"]["psnr_y"], abs=0.005)


@pytest.fixture
def second(installed):
    install_model(export(small_smsr(seed=3), "second", check=False), "second")
    return [installed, "second"]


def test_models_are_compared_in_one_table(data, second, tmp_path, capsys):
    files = [tmp_path / f"table{suffix}" for suffix in (".md", ".csv", ".json", ".svg")]
    assert call(data, second, outputs=files) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["set", "model", "precision", "PSNR-Y", "SSIM-Y", "density", "GMAC", "seconds"]
    assert [tuple(line.split()[:2]) for line in lines[1:]] == [
        ("A", "small"), ("A", "second"), ("B", "small"), ("B", "second"),
    ]  # fmt: skip
    records = json.loads(files[2].read_text())
    expected = evaluate("second", find_sets(data, 2, ["B"])[0], threads=1)
    assert records[3]["psnr_y"] == expected.mean("psnr_y") and records[3]["macs"] == expected.mean("macs")
    with files[1].open() as file:
        table = list(csv.DictReader(file))
    assert [float(row["psnr_y"]) for row in table] == [record["psnr_y"] for record in records]
    rows = [line.split("|")[1:-1] for line in files[0].read_text().splitlines()]
    assert len(rows) == 6 and {len(row) for row in rows} == {8}
    assert rows[5][3].strip() == f"{records[3]['psnr_y']:.3f}"


def test_the_picture_of_quality_over_time(tmp_path):
    rows = [
        ComparisonRow("Set5", "fast & small", 2, "fp32", 36.0, 0.95, 0.5, 1e9, 0.1),
        ComparisonRow("Set5", "slow", 2, "fp32", 38.0, 0.96, 0.5, 1e9, 1.0),
        ComparisonRow("Set14", "slow", 2, "fp32", float("inf"), 1.0, 0.5, 1e9, 1.0),
    ]
    root = ElementTree.fromstring(quality_plot(rows))  # noqa: S314  # our own text
    dots = list(root.iter("{http://www.w3.org/2000/svg}circle"))
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert len(dots) == 2 and {"Set5", "Set14", "fast & small", "0.1", "1"} <= set(texts)
    (x1, y1), (x2, y2) = ((float(dot.get("cx")), float(dot.get("cy"))) for dot in dots)
    assert x1 < x2 and y1 > y2  # slower is to the right, better is above


def test_tables_refuse_before_working(data, installed, tmp_path):
    with pytest.raises(UsageError, match=r"\.md, \.csv"):
        call(data, installed, outputs=[tmp_path / "table.png"])
    (tmp_path / "table.md").write_text("mine")
    with pytest.raises(InputError, match="pass overwrite"):
        call(data, installed, outputs=[tmp_path / "table.md"])
    with pytest.raises(InputError, match="does not exist"):
        call(data, installed, outputs=[tmp_path / "none/table.md"])


# --- the published weights ---


@pytest.fixture
def official(shared_dir):
    path = shared_dir / "checkpoints" / "smsr_x2_official.pt"
    if not path.is_file():
        pytest.skip("the shared data has no official weights")
    return str(path)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["torch", "native"])
def test_set5(official, benchmarks_dir, form):
    result = evaluate(official, find_sets(benchmarks_dir, 2, ["Set5"])[0], form)
    for image in result.images:
        assert image.psnr_y == pytest.approx(SET5_PSNR[image.name], abs=TOLERANCE_DB[form])
        assert tuple(image.masks.values()) == pytest.approx(SET5_MASKS[image.name], abs=0.002)
    assert result.mean("psnr_y") == pytest.approx(37.991, abs=TOLERANCE_DB[form])
    assert result.mean("ssim_y") == pytest.approx(0.9602, abs=1e-4)
    assert result.mean("density") == pytest.approx(0.416, abs=0.001)


@pytest.mark.slow
def test_set14(official, benchmarks_dir):
    result = evaluate(official, find_sets(benchmarks_dir, 2, ["Set14"])[0], "native")
    assert result.mean("psnr_y") == pytest.approx(33.623, abs=0.005)
    assert result.mean("ssim_y") == pytest.approx(0.9179, abs=1e-4)
    assert result.mean("density") == pytest.approx(0.537, abs=0.001)
