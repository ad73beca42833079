"""The ComfyUI node, dropped into a folder and used as ComfyUI does it; ComfyUI itself is replaced by stand-ins."""

from __future__ import annotations

import importlib.util
import inspect
import json
import shutil
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from runtime.random_graphs import only_bicubic
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import InputError
from sparsesr.modelfile.catalogue import install_model
from support.tiny_models import photo, tiny

torch = pytest.importorskip("torch")
FOLDER = Path(__file__).resolve().parents[2] / "integrations" / "comfyui_sparsesr"


class InterruptProcessingException(Exception):  # the name that ComfyUI's executor knows
    pass


class ComfyUI:
    """State of the stand-ins for ``comfy.model_management`` and ``comfy.utils``."""

    def __init__(self) -> None:
        self.is_interrupted = False
        self.progress: list[tuple[int, int]] = []

    def modules(self) -> dict[str, types.ModuleType]:
        names = ("comfy", "comfy.model_management", "comfy.utils")
        package, management, utils = (types.ModuleType(name) for name in names)
        management.processing_interrupted = lambda: self.is_interrupted
        management.throw_exception_if_processing_interrupted = self._throw_if_interrupted
        management.intermediate_device = lambda: torch.device("cpu")
        utils.ProgressBar = self._progress_bar
        package.model_management, package.utils = management, utils
        return dict(zip(names, (package, management, utils), strict=True))

    def _throw_if_interrupted(self) -> None:
        if self.is_interrupted:
            self.is_interrupted = False
            raise InterruptProcessingException

    def _progress_bar(self, total: int):
        def update_absolute(value: int, total_now: int | None = None, preview: object = None) -> None:
            self.progress.append((value, total_now or total))

        return types.SimpleNamespace(update_absolute=update_absolute)


def load_custom_node(path: Path) -> dict[str, type]:
    """As ComfyUI's function of this name does it: the folder's path is the module's name."""
    name = str(path).replace(".", "_x_")
    spec = importlib.util.spec_from_file_location(name, path / "__init__.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    assert set(module.NODE_DISPLAY_NAME_MAPPINGS) == set(module.NODE_CLASS_MAPPINGS)
    return module.NODE_CLASS_MAPPINGS


def execute(node: type, **inputs):
    """As its executor does it: checks inputs against the declared types, makes an object, calls its function."""
    declared = node.INPUT_TYPES()["required"]
    assert set(declared) == set(inputs)
    for name, (kind, *settings) in declared.items():
        value = inputs[name]
        if isinstance(kind, list):
            assert value in kind, f"{name}: Value not in list"
        elif kind == "FLOAT":
            assert settings[0]["min"] <= value <= settings[0]["max"]
        else:
            assert kind == "IMAGE" and value.ndim == 4 and value.dtype == torch.float32
    results = getattr(node(), node.FUNCTION)(**inputs)
    assert isinstance(results, tuple) and len(results) == len(node.RETURN_TYPES) == len(node.RETURN_NAMES)
    return results


@pytest.fixture
def comfy(monkeypatch) -> ComfyUI:
    made = ComfyUI()
    for name, module in made.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    return made


@pytest.fixture
def node(comfy, tmp_path, monkeypatch) -> type:
    monkeypatch.setenv("SPARSESR_HOME", str(tmp_path / "home"))
    install_model(tiny(), "tiny")
    install_model(only_bicubic(), "plain")
    dropped = tmp_path / "ComfyUI.v1" / "custom_nodes" / FOLDER.name
    shutil.copytree(FOLDER, dropped, ignore=shutil.ignore_patterns("__pycache__"))
    before = set(sys.modules)
    yield load_custom_node(dropped)["SparseUpscale"]
    for name in set(sys.modules) - before:
        if str(dropped.parent).replace(".", "_x_") in name:
            del sys.modules[name]


def batch(*images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(images))


def test_the_declaration_is_what_comfyui_reads(node):
    declared = node.INPUT_TYPES()
    assert json.loads(json.dumps(declared))["required"]["image"] == ["IMAGE"]
    (names,) = declared["required"]["model"]
    assert names[0] == "skim_fast_x2" and "tiny" in names
    assert list(inspect.signature(getattr(node, node.FUNCTION)).parameters) == ["self", *declared["required"]]
    assert node.RETURN_TYPES == ("IMAGE", "MASK") and node.CATEGORY.startswith("image/")


@pytest.mark.parametrize("effort", [0.5, 0.9])
def test_a_batch(node, comfy, effort):
    images = [photo(12, 17, "float32", seed=seed) for seed in range(3)]
    upscaled, masks = execute(node, image=batch(*images), model="tiny", effort=effort)
    assert (upscaled.shape, masks.shape) == ((3, 24, 34, 3), (3, 12, 17))
    assert upscaled.dtype == masks.dtype == torch.float32
    for image, found, mask in zip(images, upscaled.numpy(), masks.numpy(), strict=True):
        expected = Upscaler(tiny(), threads=1)(image, effort=effort)
        np.testing.assert_array_equal(found, np.clip(expected.image, 0, 1))
        np.testing.assert_allclose(mask, np.stack(expected.masks).astype(float).mean(axis=0), atol=1e-6)
    values, totals = zip(*comfy.progress, strict=True)
    assert list(values) == sorted(values) and values[-1] == totals[-1] == 3000


def test_alpha_and_values_beyond_the_range(node):
    image = photo(8, 9, "float32", channels=4)
    image[0, 0] = (1.5, -0.2, 3.0, 1.0)
    upscaled, _ = execute(node, image=batch(image), model="tiny", effort=0.5)
    assert upscaled.shape == (1, 16, 18, 4)
    assert float(upscaled.min()) >= 0 and float(upscaled.max()) <= 1


def test_a_network_without_masks_computes_everything(node):
    _, masks = execute(node, image=batch(photo(6, 7, "float32")), model="plain", effort=0.5)
    assert bool((masks == 1).all()) and masks.shape == (1, 6, 7)


def test_an_interruption_is_comfyuis_own(node, comfy):
    comfy.is_interrupted = True
    with pytest.raises(InterruptProcessingException):
        execute(node, image=batch(photo(20, 20, "float32")), model="tiny", effort=0.5)


def test_bad_pixels_are_an_error_of_one_line(node):
    image = photo(6, 6, "float32")
    image[2, 2, 0] = np.nan
    with pytest.raises(InputError, match="NaN or infinity"):
        execute(node, image=batch(image), model="tiny", effort=0.5)


def test_the_model_is_loaded_once(node, monkeypatch):
    loaded = []
    original = Upscaler.__init__
    monkeypatch.setattr(
        Upscaler, "__init__", lambda self, *a, **k: (loaded.append(a), original(self, *a, **k))[1]
    )
    for _ in range(2):
        execute(node, image=batch(photo(6, 6, "float32")), model="tiny", effort=0.5)
    assert loaded == [("tiny",)]
