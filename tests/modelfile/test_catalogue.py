from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

import graphs
from sparsesr.errors import ModelError
from sparsesr.modelfile import catalogue
from sparsesr.modelfile.platform_folders import data_folder, user_models_dir
from sparsesr.modelfile.writer import write_model


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("SPARSESR_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def bundled(tmp_path, monkeypatch) -> Path:
    """A package with one bundled model, plain_x2."""
    folder = tmp_path / "bundled"
    folder.mkdir()
    model = graphs.plain()
    write_model(folder / "plain.safetensors", model.facts, model.graph, model.tensors)
    digest = hashlib.sha256((folder / "plain.safetensors").read_bytes()).hexdigest()
    entry = {
        "name": "plain_x2",
        "file": "plain.safetensors",
        "scale": 2,
        "sha256": digest,
        "description": "Small.",
    }
    (folder / "index.json").write_text(json.dumps({"models": [entry]}))
    monkeypatch.setattr(catalogue, "bundled_models_dir", lambda: folder)
    return folder


def names() -> list[tuple[str, str]]:
    return [(entry.name, entry.origin) for entry in catalogue.list_models()]


def test_nothing_installed(home, tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "bundled_models_dir", lambda: tmp_path)
    assert catalogue.list_models() == []
    with pytest.raises(ModelError, match="no model is named 'smsr'; known models: none yet"):
        catalogue.load("smsr")
    with pytest.raises(ModelError, match="no model upscales x2; there are none"):
        catalogue.default_model_for(2)


def test_bundled_then_user_models(home, bundled):
    catalogue.install_model(graphs.plain(scale=4), "mine_x4")
    catalogue.install_model(graphs.plain(), "a")
    assert names() == [("plain_x2", "bundled"), ("a", "user"), ("mine_x4", "user")]


def test_load_by_name_and_by_path(home, bundled):
    entry = catalogue.install_model(graphs.plain(scale=3), "mine")
    assert catalogue.load("mine").facts.name == "mine"
    assert catalogue.load("mine").facts.scale == 3
    assert catalogue.load(entry.path).facts == catalogue.load(str(entry.path)).facts
    assert catalogue.load("plain_x2").facts.name == "plain_x2"


def test_an_unknown_name_lists_the_known_ones(home, bundled):
    with pytest.raises(ModelError, match=r"'plain_x3'; did you mean plain_x2\? known models: plain_x2"):
        catalogue.load("plain_x3")


@pytest.mark.parametrize("name", ["model.pt", "x/model.PTH", "model.onnx", "model.ckpt"])
def test_foreign_files_are_refused(home, name):
    with pytest.raises(ModelError, match="sparsesr models import"):
        catalogue.load(name)


def test_missing_file(home, tmp_path):
    with pytest.raises(ModelError, match=r"no.safetensors: cannot read"):
        catalogue.load(tmp_path / "no.safetensors")


def test_stray_files_are_not_models(home):
    catalogue.install_model(graphs.plain(), "mine")
    for stray in ("notes.txt", ".mine.safetensors.part", "Has Space.safetensors", ".hidden.safetensors"):
        (user_models_dir() / stray).touch()
    (user_models_dir() / "mine.onnx.safetensors").touch()  # its name is taken for that of an ONNX file
    assert ("mine", "user") in names()
    assert not any("hidden" in name or "Space" in name or "onnx" in name for name, _ in names())


def test_a_bundled_name_cannot_be_taken(home, bundled):
    with pytest.raises(ModelError, match="plain_x2 is the name of a bundled model"):
        catalogue.install_model(graphs.plain(), "plain_x2")
    model = graphs.plain(scale=4)
    user_models_dir().mkdir(parents=True)
    write_model(user_models_dir() / "plain_x2.safetensors", model.facts, model.graph, model.tensors)
    assert catalogue.load("plain_x2").facts.scale == 2
    assert names() == [("plain_x2", "bundled")]


def test_install_never_overwrites_unasked(home):
    catalogue.install_model(graphs.plain(), "mine")
    with pytest.raises(ModelError, match="exists; choose another name"):
        catalogue.install_model(graphs.plain(scale=3), "mine")
    assert catalogue.load("mine").facts.scale == 2
    catalogue.install_model(graphs.plain(scale=3), "mine", overwrite=True)
    assert catalogue.load("mine").facts.scale == 3


@pytest.mark.parametrize(
    "name", ["", "a b", "../x", "A", ".x", "-x", "x" * 65, "a/b", "x.pt", "x.safetensors"]
)
def test_names_that_are_refused(home, name):
    with pytest.raises(ModelError, match="cannot be a model's name"):
        catalogue.install_model(graphs.plain(), name)


def test_install_into_an_impossible_folder(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SPARSESR_HOME", str(tmp_path / "file"))
    with pytest.raises(ModelError, match="cannot create the folder"):
        catalogue.install_model(graphs.plain(), "mine")
    catalogue.list_models()


def test_verify(home, bundled):
    (entry,) = catalogue.list_models()
    assert catalogue.verify(entry).facts.name == "plain_x2"
    with pytest.raises(ModelError, match="the index says x3"):
        catalogue.verify(replace(entry, scale=3))
    other = graphs.plain(seed=1)
    write_model(entry.path, other.facts, other.graph, other.tensors)
    with pytest.raises(ModelError, match="SHA-256 differs"):
        catalogue.verify(entry)
    entry.path.write_bytes(entry.path.read_bytes()[:-4])
    with pytest.raises(ModelError, match="damaged"):
        catalogue.verify(entry)


def test_default_model_prefers_bundled_and_skips_damaged(home, bundled):
    catalogue.install_model(graphs.plain(), "a")
    catalogue.install_model(graphs.plain(scale=4), "mine_x4")
    (user_models_dir() / "broken.safetensors").write_text("no")
    assert catalogue.default_model_for(2).name == "plain_x2"
    assert catalogue.default_model_for(4).name == "mine_x4"
    with pytest.raises(ModelError, match="no model upscales x3; there are models for x2, x4"):
        catalogue.default_model_for(3)


def test_default_model_of_jpeg_files(home, bundled):
    index = json.loads((bundled / "index.json").read_text())
    (plain,) = index["models"]
    others = [
        {**plain, "name": "for_jpegs", "jpeg_quality_up_to": 80},
        {**plain, "name": "for_bad_ones", "jpeg_quality_up_to": 30},
        {**plain, "name": "for_jpegs_x4", "scale": 4, "jpeg_quality_up_to": 95},
    ]
    (bundled / "index.json").write_text(json.dumps({"models": [plain, *others]}))
    qualities = {None: "plain_x2", 100: "plain_x2", 81: "plain_x2", 80: "for_jpegs", 1: "for_jpegs"}
    assert {quality: catalogue.default_model_for(2, quality).name for quality in qualities} == qualities
    assert catalogue.default_model_for(4).name == "for_jpegs_x4"
    with pytest.raises(ModelError, match="no model upscales x3"):
        catalogue.default_model_for(3, 50)
    others[0]["jpeg_quality_up_to"] = "80"
    (bundled / "index.json").write_text(json.dumps({"models": [plain, *others]}))
    with pytest.raises(ModelError, match="jpeg_quality_up_to must be a whole number"):
        catalogue.list_models()


def test_damaged_index(home, bundled):
    (bundled / "index.json").write_text('{"models": [{}]}')
    with pytest.raises(ModelError, match="the index of bundled models: name must be a string"):
        catalogue.list_models()


def test_every_bundled_model_is_listed_and_intact():
    folder = catalogue.bundled_models_dir()
    listed = {entry.path for entry in catalogue.list_models() if entry.origin == "bundled"}
    assert listed == set(folder.glob("*.safetensors"))
    for entry in catalogue.list_models():
        if entry.origin == "bundled":
            catalogue.verify(entry)


def test_platform_folders(monkeypatch, tmp_path):
    monkeypatch.delenv("SPARSESR_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert data_folder("linux") == tmp_path / "xdg"
    assert data_folder("win32") == tmp_path / "local"
    assert data_folder("darwin") == tmp_path / "Library" / "Application Support"
    monkeypatch.delenv("XDG_DATA_HOME")
    assert data_folder("linux") == tmp_path / ".local" / "share"
    assert user_models_dir().parts[-2:] == ("sparsesr", "models")
