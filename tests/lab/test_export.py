"""Export: the graph equals the network, and unsupported layers are named."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import graphs
from lab.acnet_cases import small_acnet
from lab.smsr_cases import MIXED, random_image, small_smsr
from sparsesr.errors import ModelError
from sparsesr.lab.export.exporter import export
from sparsesr.lab.export.graph_module import graph_module
from sparsesr.lab.nn.layers.image_layers import BicubicUpsample, MeanShift
from sparsesr.lab.nn.smsr import SMSR
from sparsesr.modelfile.reader import read_model
from sparsesr.modelfile.writer import write_model
from sparsesr.runtime.graph.cost import paper_macs

NONE, ALL = ((0, 0, 0),) * 2, ((8, 8, 8),) * 2


def difference(module, model, image=None) -> float:
    image = random_image() if image is None else image
    with torch.no_grad():
        return float((graph_module(model)(image) - module(image)).abs().max())


@pytest.mark.parametrize("dense", [MIXED, NONE, ALL])
@pytest.mark.parametrize("value_range", [1.0, 255.0])
def test_graph_equals_network(dense, value_range):
    module = small_smsr(dense, value_range=value_range)
    model = export(module, "small", check=False)
    assert difference(module, model) < 1e-5
    masks = [float(part.last_mask_B1HW.mean()) for part in module.mask_units()]
    assert any(0 < share < 1 for share in masks), "the test must see both kinds of pixel"


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_scales(scale):
    module = small_smsr(scale=scale)
    model = export(module, "small", check=False)
    assert model.facts.scale == scale and model.facts.size_multiple == 2
    assert difference(module, model) < 1e-5


def test_graph_is_the_hand_made_one():
    """Same operations, shapes and order, except for the position of the bicubic and the names."""
    module = small_smsr()
    exported = export(module, "small", check=False)
    by_hand = graphs.smsr(channels=8, modules=2, layers=3, dense_out=MIXED, mask_channels=4)

    def outline(model):
        return [
            (n.op, len(n.inputs), n.attrs.get("dense_in"), n.attrs.get("dense_out"))
            for n in model.graph.nodes
        ]

    assert outline(exported) == outline(by_hand)
    assert [n.output for n in exported.graph.nodes if n.op == "spatial_mask"] == [
        "body.0.mask",
        "body.1.mask",
    ]


def test_facts_and_storage(tmp_path):
    module = small_smsr(value_range=255.0)
    model = export(module, "small", license="MIT", check=False)
    assert model.facts.architecture == "smsr" and model.facts.value_range == 255.0
    assert model.facts.parameters == module.parameter_counts()["network"]
    write_model(tmp_path / "small.safetensors", model.facts, model.graph, model.tensors)
    assert difference(module, read_model(tmp_path / "small.safetensors")) < 1e-5


@pytest.mark.parametrize(
    ("scale", "lr", "gmacs"), [(2, (360, 640), 224.05), (3, (240, 427), 100.46), (4, (180, 320), 57.21)]
)
def test_dense_multiply_adds_of_the_paper(scale, lr, gmacs):
    torch.manual_seed(0)
    model = export(SMSR(SMSR().config.__class__(scale=scale)), "smsr", check=False)
    per_pixel = paper_macs(model, *lr) / (lr[0] * lr[1])
    assert per_pixel * 1280 * 720 / scale**2 / 1e9 == pytest.approx(gmacs, abs=0.01)


def test_weights_and_mode_are_unchanged():
    module = small_smsr().train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    module(random_image()).sum().backward()
    export(module, "small", check=False)
    assert module.training and all(part.training for part in module.modules())
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


def test_non_finite_weights_are_refused():
    module = small_smsr()
    with torch.no_grad():
        module.head[2].weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(ModelError, match=r"head\.2\.weight.*not finite"):
        export(module, "small", check=False)


class Plain(nn.Module):
    """A network other than SMSR: leaky activations, residuals, a 3x3 over a concatenation."""

    def __init__(self, middle: nn.Module | None = None, end: nn.Module | None = None) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.LeakyReLU(0.1))
        self.middle = middle or nn.Conv2d(6, 6, 3, padding=1)
        self.fuse = nn.Conv2d(12, 6, 3, padding=1, bias=False)
        self.tail = nn.Conv2d(6, 12, 3, padding=1)
        self.end = end or nn.PixelShuffle(2)

    def forward(self, image):
        first = self.first(image * 2.0)
        second = self.middle(first) + first
        return self.end(self.tail(torch.relu(self.fuse(torch.cat([first, second], dim=1))))) / 2.0


def test_other_networks():
    torch.manual_seed(0)
    module = Plain().eval()
    model = export(module, "plain", check=False)
    assert model.facts.size_multiple == 1
    assert difference(module, model, random_image(7, 5)) < 1e-6


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"middle": nn.Conv2d(6, 6, 5, padding=2)}, r"middle.*Conv2d.*1x1 or 3x3"),
        ({"middle": nn.Conv2d(6, 6, 3, padding=1, groups=2)}, r"middle.*groups"),
        ({"middle": nn.Conv2d(6, 6, 3, padding=1, padding_mode="reflect")}, r"middle.*padding"),
        ({"middle": nn.GELU()}, r"middle \(GELU\).*not supported"),
        ({"end": nn.Upsample(scale_factor=2)}, r"end \(Upsample\).*not supported"),
    ],
)
def test_unsupported_layers_are_named(parts, message):
    with pytest.raises(ModelError, match=message):
        export(Plain(**parts), "plain", check=False)


def test_networks_that_branch_on_values_are_named():
    class Branching(nn.Module):
        def forward(self, image):
            return image if image.sum() > 0 else -image

    with pytest.raises(ModelError, match="Branching: cannot be traced"):
        export(Branching(), "plain", check=False)


def test_mean_shift_must_be_a_shift():
    class Tinted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shift, self.tail = MeanShift(1.0, -1), nn.Conv2d(3, 12, 3, padding=1)
            self.shuffle, self.upsample = nn.PixelShuffle(2), BicubicUpsample(2)

        def forward(self, image):
            shifted = self.shift(image)
            return self.shuffle(self.tail(shifted)) + self.upsample(shifted)

    module = Tinted().eval()
    assert difference(module, export(module, "tinted", check=False)) < 1e-6
    with torch.no_grad():
        module.shift.weight[0, 1] = 0.5
    with pytest.raises(ModelError, match=r"shift \(MeanShift\).*identity matrix"):
        export(module, "tinted", check=False)


def test_the_cost_of_bf16_is_recorded_at_every_scale():
    assert [cost.scale for cost in export(small_smsr(), "small").facts.bf16_costs] == [2]
    several = export(small_acnet(2, 3), "several").facts.bf16_costs
    assert [cost.scale for cost in several] == [2, 3]
    for cost in several:
        assert cost.measured_on == "astronaut, chelsea, coffee, rocket"
        assert abs(cost.mean_db) <= 0.1 and cost.worst_db >= cost.mean_db


def test_export_refuses_a_runtime_that_differs(monkeypatch):
    import sparsesr.lab.export.parity as parity

    report = parity.ParityReport(np.nan, np.nan, 0, 1)
    monkeypatch.setattr(parity, "check_parity", lambda *given: report)
    with pytest.raises(ModelError, match="differs"):
        export(small_smsr(), "small")
