"""ESRT as a model file: parity at every size, the specification's multiply-adds, and all kinds of input."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from lab.esrt_cases import plausible_esrt, small_esrt
from sparsesr.engine.upscaler import Upscaler
from sparsesr.lab.export.exporter import export
from sparsesr.lab.export.graph_module import graph_module
from sparsesr.lab.export.importer import convert_checkpoint
from sparsesr.lab.export.parity import check_parity
from sparsesr.lab.export.torch_run import run_torch
from sparsesr.lab.nn.esrt import ESRT, ESRTConfig
from sparsesr.modelfile.reader import read_model
from sparsesr.modelfile.writer import write_model
from sparsesr.runtime.graph.cost import count_macs
from sparsesr.runtime.session import Session

SIZES = [(1, 1), (1, 9), (7, 1), (2, 2), (3, 3), (5, 2), (16, 20), (23, 17)]


def images(*sizes, seed: int = 0):
    random = np.random.default_rng(seed)
    return [random.random((*size, 3), dtype=np.float32) for size in sizes]


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_runtime_and_network_agree_at_every_size(scale):
    module = small_esrt(scale=scale)
    model = export(module, "small")
    assert (model.facts.architecture, model.facts.scale, model.facts.size_multiple) == ("esrt", scale, 1)
    assert check_parity(module, model, images(*SIZES)).max_abs_free < 1e-5
    assert check_parity(graph_module(model), model, images(*SIZES)).max_abs_free < 1e-5


def test_convolutions_apply_the_slopes():
    """A PReLU is a node in the file, but is fused at run time."""
    model = export(small_esrt(), "small", check=False)
    prelus = {node.name for node in model.graph.nodes if "slopes" in node.weights}
    convolutions = {name.replace(".relu", ".conv") for name in prelus}
    layers = {layer.name for layer in Session(model, 1).run(images((8, 9))[0]).stats.layers}
    assert len(prelus) == 48 and not prelus & layers and convolutions <= layers


def test_full_width_agrees():
    torch.manual_seed(5)
    module = ESRT().eval()
    assert check_parity(module, export(module, "esrt", check=False), images((40, 37))).max_abs_free < 1e-5


@pytest.mark.parametrize(("scale", "per_pixel"), [(2, 698_976), (3, 799_776), (4, 1_014_624)])
def test_multiply_adds_of_the_specification(scale, per_pixel):
    model = export(ESRT(ESRTConfig(scale=scale)), "esrt", check=False)
    height, width = {2: (360, 640), 3: (320, 320), 4: (180, 320)}[
        scale
    ]  # as many pixels as 1280x720 / scale^2
    nodes = count_macs(model, height, width).nodes
    pairs = sum(node.macs for node in nodes if node.op == "segment_attention")
    attention = sum(node.macs for node in nodes if node.op == "channel_attention")
    assert sum(node.macs for node in nodes) - pairs - attention == per_pixel * height * width
    assert attention == 3 * 9 * 2 * 32 * 2
    assert pairs / 1e9 == pytest.approx({2: 3822, 3: 755, 4: 239}[scale], rel=2e-3)


def test_shared_weights_are_stored_once():
    model = export(small_esrt(), "small", check=False)
    uses = Counter(name for node in model.graph.nodes for name in node.weights.values())
    assert (
        Counter(uses.values())[5] == 3 * 13
    )  # three blocks, thirteen tensors as they are that five passes read


def test_same_bits_in_bands_and_threads():
    model, (image,) = export(small_esrt(), "small", check=False), images((21, 18))
    expected = Session(model, 1).run(image, band_rows=21).image
    for rows in (1, 2, 5):
        for low_memory in (False, True):
            got = Session(model, 2).run(image, band_rows=rows, low_memory=low_memory).image
            np.testing.assert_array_equal(got, expected)


def test_minimum_size_is_padded_equally():
    module, (image,) = small_esrt(), images((1, 5))
    doubled = np.concatenate([image, image])
    np.testing.assert_array_equal(run_torch(module, image, 2, 1), run_torch(module, doubled, 2, 1)[:2])


def test_import_of_a_checkpoint(tmp_path):
    module, path = small_esrt(scale=3), tmp_path / "epoch_990.pth"
    torch.save({f"module.{name}": tensor for name, tensor in module.state_dict().items()}, path)
    model = convert_checkpoint(path, "mine", license="MIT")
    assert model.facts.architecture == "esrt" and model.facts.license == "MIT" and model.facts.scale == 3
    write_model(tmp_path / "mine.safetensors", model.facts, model.graph, model.tensors)
    again = read_model(tmp_path / "mine.safetensors")
    assert check_parity(module, again, images((9, 8))).max_abs_free < 1e-5


@pytest.mark.parametrize("shape", [(1, 1, 3), (9, 7), (9, 7, 4), (31, 12, 3)])
@pytest.mark.parametrize("inference", ["whole", "chopped"])
def test_grey_transparent_and_tiny_images(shape, inference):
    model = export(plausible_esrt(), "esrt", check=False)
    image = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    result = Upscaler(model, threads=1, inference=inference)(image)
    assert result.image.shape == (2 * shape[0], 2 * shape[1], *shape[2:])
    assert result.plan.mode.value == inference
    if len(shape) == 2 or shape[2] == 3:
        whole = image if len(shape) == 3 else image[:, :, None].repeat(3, 2)
        nearest = whole.repeat(2, 0).repeat(2, 1)
        got = result.image if len(shape) == 3 else result.image[:, :, None].repeat(3, 2)
        assert (
            np.abs(got.astype(int) - nearest).max() <= 40
        )  # the skip branch repeats pixels, the trunk adds little
