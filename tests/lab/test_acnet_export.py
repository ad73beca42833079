"""ACNet as a model file: branches folded exactly, one file for several scales, import and the command line."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
import torch

from lab.acnet_cases import layer_number, multiply_adds, repeating_acnet, small_acnet
from sparsesr.cli import import_model
from sparsesr.cli.main import main
from sparsesr.engine.plan import Mode
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import ModelError
from sparsesr.image.decode import decode
from sparsesr.lab.export.architectures import build_network
from sparsesr.lab.export.exporter import export
from sparsesr.lab.export.parity import check_parity
from sparsesr.lab.nn.registry import create
from sparsesr.modelfile import catalogue
from sparsesr.modelfile.reader import read_model
from sparsesr.modelfile.writer import write_model
from sparsesr.runtime.graph.cost import count_macs
from sparsesr.runtime.graph.receptive_field import halo_px
from sparsesr.runtime.session import Session

SIZES = ((1, 1), (1, 9), (2, 2), (7, 5), (19, 13), (24, 31))


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSESR_HOME", str(tmp_path / "home"))


def images(seed: int = 0):
    random = np.random.default_rng(seed)
    return [random.random((height, width, 3), dtype=np.float32) for height, width in SIZES]


@pytest.mark.parametrize("name", ["acnet_x2", "acnet_x3", "acnet_x4"])
def test_folded_is_equal_including_borders(name):
    """The paper's sizes with torch's random initialisation; every pixel is near a border."""
    torch.manual_seed(1)
    module = create(name).eval()
    model = export(module, name, check=False)
    report = check_parity(module, model, images()[2:5])
    assert report.max_abs_free <= 1e-5


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_maps_with_large_values_are_equal_too(scale):
    """With weights that let maps grow to about one, so that no error hides in small numbers."""
    module = small_acnet(scale)
    model = export(module, "small", check=False)
    spread = Session(model).run(images()[-1], out_dtype=np.float32).image.std()
    assert spread > 0.03
    assert check_parity(module, model, images()).max_abs_free <= 1e-5


@pytest.mark.parametrize(("scale", "folded"), [(2, 962_176), (3, 1_146_816), (4, 1_109_888)])
def test_parameters_after_folding(scale, folded):
    """Plus three biases: the mean colour that the network adds at its end."""
    model = export(create(f"acnet_x{scale}"), "acnet", check=False)
    assert sum(tensor.size for tensor in model.tensors.values()) == folded + 3
    trunk = [tensor for name, tensor in model.tensors.items() if layer_number(name, "conv") <= 17]
    assert sum(tensor.size for tensor in trunk) == 591_552


@pytest.mark.parametrize(
    ("scale", "size", "total", "folded", "saving"),
    [
        (2, (360, 640), 500.5, 409.7, 18.2),
        (3, (320, 320), 374.3, 334.0, 10.8),
        (4, (180, 320), 347.2, 324.4, 6.5),
    ],
)
def test_multiply_adds_that_folding_saves(scale, size, total, folded, saving):
    """For 1280x720 output or as many pixels: the runtime's count against that of the network in torch."""
    module = create(f"acnet_x{scale}")
    before = sum(multiply_adds(module, 6, 5).values()) / 30 * size[0] * size[1]
    after = count_macs(export(module, "acnet", check=False), *size).macs
    assert before / 1e9 == pytest.approx(total, abs=0.05)
    assert after / 1e9 == pytest.approx(folded, abs=0.05)
    assert 100 * (1 - after / before) == pytest.approx(saving, abs=0.05)


@pytest.mark.parametrize(("scale", "gmacs"), [(2, 7.283), (3, 5.937), (4, 5.768)])
def test_multiply_adds_in_the_unit_of_the_paper(scale, gmacs):
    """128x128 output; for x3, which does not divide it, scaled by pixels."""
    model = export(create(f"acnet_x{scale}"), "acnet", check=False)
    side = 120 // scale
    assert count_macs(model, side, side).macs * (128 / 120) ** 2 / 1e9 == pytest.approx(gmacs, abs=0.0006)


def test_unfolded_computes_the_same_and_costs_more():
    module = small_acnet()
    model, folded = export(module, "apart", check=False, fold=False), export(module, "small", check=False)
    assert check_parity(module, model, images()).max_abs_free <= 1e-5
    assert count_macs(model, 8, 8).macs > count_macs(folded, 8, 8).macs


def test_the_mean_colour_is_subtracted_before_the_border_is_padded():
    """As a bias of the first layer it would be wrong at the border, where zeros represent the mean colour."""
    nodes = export(small_acnet(), "small", check=False).graph.nodes
    assert nodes[0].attrs["offset"] == pytest.approx([0.4488, 0.4371, 0.4040], abs=1e-6)
    assert set(nodes[1].weights) == {"weight"} and set(nodes[-1].weights) == {"weight", "bias"}


def test_the_sum_of_layers_is_one_running_map():
    """At most two maps are added at a time, and only the sum is kept."""
    model = export(create("acnet_x2"), "acnet", check=False)
    sums = [node for node in model.graph.nodes if node.op == "add"]
    assert [len(node.inputs) for node in sums] == [2] * 15
    session = Session(model)
    band, width = 4, 1920
    one_row = (width + 2) * 64 * 4
    rolling = session.peak_bytes(1080, width, band_rows=band, low_memory=True) - 3 * 4 * 1080 * width
    # 17 layers and 15 sums of about a band plus three rows, the upscaled maps, and 256 channels before a shuffle:
    # keeping the first layers for the last sum would need 17 / 2 more rows of each.
    assert rolling < one_row * (32 * (band + 3) + 9 * 4 * (band + 3) + 2 * 4 * (band + 4))


def test_the_shared_upsampler_is_stored_once():
    model = export(create("acnet_x2"), "acnet", check=False)
    uses = [
        node.weights["weight"] for node in model.graph.nodes if "upsample" in node.output and node.weights
    ]
    assert uses == ["upsample.up.body.0.weight"] * 2


@pytest.mark.parametrize(("scale", "pixels"), [(2, 17 + 1 + 3), (3, 17 + 1 + 2), (4, 17 + 1 + 2)])
def test_halo(scale, pixels):
    """17 layers and the upsampler, plus the LR reach of five layers on the upscaled map (x4: and one between)."""
    assert halo_px(export(create(f"acnet_x{scale}"), "acnet", check=False)) == pixels


# --- one file for three scales ---


def test_one_file_serves_three_scales(tmp_path):
    module = small_acnet(2, 3, 4)
    model = export(module, "acnet_multi")
    write_model(tmp_path / "acnet_multi.safetensors", model.facts, model.graph, model.tensors)
    read = read_model(tmp_path / "acnet_multi.safetensors")
    assert read.scales == (2, 3, 4) and read.facts.scale == 2
    for scale in read.scales:
        module.active_scale = scale
        at_scale = read.at_scale(scale)
        assert at_scale.facts.scale == scale and at_scale.scales == (scale,)
        assert check_parity(module, at_scale, images()).max_abs_free <= 1e-5
    assert Session(read).run(images()[3]).image.shape == (14, 10, 3)
    with pytest.raises(ModelError, match="upscales x2, x3 or x4, not x5"):
        read.at_scale(5)


def test_scales_share_all_weights_but_the_upsamplers():
    model = export(create("acnet_multi"), "acnet_multi", check=False)
    assert sum(tensor.size for tensor in model.tensors.values()) == 1_589_952 + 3
    trunk = [node for node in model.graph.nodes if node.output.startswith("conv1_")]
    assert len(trunk) == 1
    for scale in (2, 3, 4):
        alone = export(create(f"acnet_x{scale}"), "acnet", check=False)
        assert count_macs(model.at_scale(scale), 9, 9).macs == count_macs(alone, 9, 9).macs


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """A folder of models with a multi-scale network that repeats pixels, imported once from a checkpoint."""
    folder = tmp_path_factory.mktemp("acnet")
    path = folder / "acnet_b_660000.pth"
    torch.save(repeating_acnet(2, 3, 4).state_dict(), path)
    with pytest.MonkeyPatch.context() as monkeypatch, contextlib.redirect_stdout(io.StringIO()) as out:
        monkeypatch.setenv("SPARSESR_HOME", str(folder / "home"))
        assert import_model.run(path, "acnet_multi", "unknown", False) == 0
    assert "acnet x2, x3 or x4" in out.getvalue()
    return folder / "home"


@pytest.fixture
def installed(home, imported, monkeypatch):
    monkeypatch.setenv("SPARSESR_HOME", str(imported))


def test_command_line_selects_the_scale(installed, tmp_path, capsys):
    source = tmp_path / "small.ppm"
    source.write_bytes(b"P6 5 3 255\n" + bytes(range(45)))
    pixels = np.arange(45, dtype=np.uint8).reshape(3, 5, 3)
    for scale, given in ((2, []), (3, ["-s", "3"]), (4, ["-s", "4"])):
        assert main(["upscale", str(source), "-n", "acnet_multi", *given, "-q", "--precision", "fp32"]) == 0
        upscaled = decode(tmp_path / f"small_x{scale}.png").rgb
        np.testing.assert_array_equal(upscaled, pixels.repeat(scale, 0).repeat(scale, 1))
    assert main(["upscale", str(source), "-n", "acnet_multi", "-s", "5", "-q"]) == 0  # several passes
    assert decode(tmp_path / "small_x5.png").rgb.shape == (15, 25, 3)
    assert main(["models", "show", "acnet_multi"]) == 0
    assert "scales: 2, 3, 4" in capsys.readouterr().out
    assert main(["models", "list"]) == 0
    assert "x2,3,4" in capsys.readouterr().out
    assert catalogue.default_model_for(4).origin == "bundled"  # before those of the user


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 4), (7, 5), (3, 8, 4), (9, 2, 3)])
def test_grey_and_alpha_and_odd_sizes(installed, shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    pixels[..., 3:] = 255
    for scale in (2, 3, 4):
        upscaled = Upscaler("acnet_multi", scale=scale, precision="fp32")(pixels).image
        np.testing.assert_array_equal(upscaled, pixels.repeat(scale, 0).repeat(scale, 1))


def test_tiles_equal_the_whole_image(installed):
    """The network is local: tiling for lack of memory changes no bit."""
    pixels = np.random.default_rng(0).integers(0, 256, (230, 410, 3), np.uint8)
    whole, tiled = (
        Upscaler("acnet_multi", scale=3, precision="fp32"),
        Upscaler("acnet_multi", scale=3, memory=100_000_000, precision="fp32"),
    )
    result = tiled(pixels)
    assert result.plan.mode is Mode.TILES and len(result.plan.tiles) > 1
    np.testing.assert_array_equal(result.image, whole(pixels).image)


# --- import ---


@pytest.mark.parametrize("scales", [(2,), (3,), (4,), (2, 3, 4), (2, 4)])
def test_hyper_parameters_are_recovered(scales):
    module = small_acnet(*scales, channels=6, layers=3)
    architecture, found = build_network(module.state_dict(), "test")
    assert architecture.name == "acnet" and found.config == module.config and not found.training
    with torch.no_grad():
        x = torch.rand(1, 3, 4, 5)
        assert torch.equal(found(x), module(x))


def broken(kind: str):
    state = small_acnet().state_dict()
    if kind == "missing":
        del state["conv3_2.0.weight"]
    if kind == "shape":
        state["conv3_2.0.weight"] = torch.zeros(8, 8, 1, 3)
    if kind == "up":
        state["upsample.up.body.0.weight"] = torch.zeros(8 * 7, 8, 3, 3)
    if kind == "no up":
        state = {name: tensor for name, tensor in state.items() if "upsample" not in name}
    if kind == "wide":
        state["conv1_3.0.weight"] = torch.zeros(50_000, 1, 1, 1)
        state["upsample.up.body.0.weight"] = torch.zeros(200_000, 1, 1, 1)
    return state


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", r"missing: conv3_2\.0\.weight"),
        ("shape", r"conv3_2\.0\.weight \[8, 8, 1, 3\] instead of \[8, 8, 3, 1\]"),
        ("up", "of another shape: upsample"),
        ("no up", "looks like acnet, but 'upsample.up.body.0.weight'"),
        ("wide", "are inconsistent"),
    ],
)
def test_wrong_checkpoints_are_named(kind, message):
    with pytest.raises(ModelError, match=message) as caught:
        build_network(broken(kind), "bad.pth")
    assert "\n" not in str(caught.value)
