"""Networks from genotypes: published sizes, JSON, checkpoints, and what runs natively."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch
from torch.utils.flop_counter import FlopCounterMode

from sparsesr.errors import ModelError
from sparsesr.lab.export.architectures import build_network
from sparsesr.lab.export.checkpoint import read_checkpoint
from sparsesr.lab.export.exporter import export
from sparsesr.lab.export.restore import restore_state
from sparsesr.lab.nn.genotype import CELL, UP, Cell, Genotype, genotype_from_json, read_genotype
from sparsesr.lab.nn.registry import create
from sparsesr.lab.nn.searched import Searched
from sparsesr.lab.nn.trilevel import LISTED
from sparsesr.lab.search.prices import Counted, price_of

# Parameters in millions, and multiply-adds in thousand millions at 256x256 and 320x180, counted from the listings.
SIZES = {
    "trilevel_a1_x4": (0.3354, 78.43, 68.93),
    "trilevel_a2_x4": (0.6660, 88.82, 78.06),
    "trilevel_b1_x4": (0.2342, 15.34, 13.48),
    "trilevel_b2_x4": (0.5091, 33.35, 29.31),
    "trilevel_b3_x4": (0.2645, 17.32, 15.22),
    "agd_1_x4": (0.4103, 108.29, 95.18),
    "agd_2_x4": (0.4678, 112.06, 98.49),
}
RESIDUAL = Genotype(
    "residual",
    2,
    16,
    (CELL, CELL),
    (Cell(("relu3x3", "linear3x3"), (32,)), Cell(("relu1x1", "linear1x1"), (48,))),
)


def counted_by_torch(network: torch.nn.Module, height: int, width: int) -> int:
    with FlopCounterMode(display=False) as counter:
        output = network(torch.empty(1, 3, height, width, device="meta"))
    assert output.shape == (1, 3, 4 * height, 4 * width)
    return counter.get_total_flops() // 2


@pytest.mark.parametrize("name", LISTED)
def test_published_sizes(name):
    with torch.device("meta"):
        network = create(name)
    parameters, macs, macs_of_wide = SIZES[name]
    assert round(sum(value.numel() for value in network.parameters()) / 1e6, 4) == parameters
    assert round(counted_by_torch(network, 256, 256) / 1e9, 2) == macs
    assert round(counted_by_torch(network, 180, 320) / 1e9, 2) == macs_of_wide


@pytest.mark.parametrize("name", LISTED)
def test_prices_agree_with_what_torch_counts(name):
    genotype = LISTED[name]
    with torch.device("meta"):
        network = create(name)
    macs, parameters = (
        price_of(genotype, Counted(unit, genotype.family, 64, 4, keeps_shortcuts=False))
        for unit in ("macs", "parameters")
    )
    assert macs * 32 * 32 == counted_by_torch(network, 32, 32)
    assert parameters == sum(value.numel() for value in network.parameters())


def test_genotypes_are_readable_json(tmp_path):
    for genotype in (*LISTED.values(), RESIDUAL):
        assert genotype_from_json(genotype.to_json()) == genotype
    path = tmp_path / "g.json"
    path.write_text(RESIDUAL.to_json())
    assert read_genotype(path) == RESIDUAL
    assert isinstance(create(str(path)), Searched)
    assert RESIDUAL.drawn().splitlines()[0] == "cell  16: relu3x3 -> 32, linear3x3 -> 16"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ('"residual"', "use trilevel_a"),
        ("32", "not multiples of 16"),
        ('"relu3x3"', "do not belong"),
        ('"cell"', "other than cell and up"),
        ('"cells"', "not a genotype"),
        ("{", "Extra data"),
    ],
)
def test_damaged_genotypes(tmp_path, change, says):
    path = tmp_path / "g.json"
    path.write_text(RESIDUAL.to_json().replace(change, {"32": "30"}.get(change, '"x"'), 1))
    with pytest.raises(ModelError, match=says):
        read_genotype(path)


def test_a_path_must_reach_the_scale():
    with pytest.raises(ValueError, match="reaches x2, not x4"):
        Genotype("trilevel_a", 4, 64, (UP,), ())


def test_a_checkpoint_describes_its_network(tmp_path):
    for genotype in (RESIDUAL, LISTED["trilevel_b3_x4"]):
        network = Searched(genotype).eval()
        path = tmp_path / "checkpoint.pt"
        torch.save({"ema": network.state_dict()}, path)
        architecture, found = build_network(read_checkpoint(path), "checkpoint.pt")
        assert architecture.name == "searched" and found.config == genotype
        image = torch.rand(1, 3, 9, 7)
        torch.testing.assert_close(found(image), network(image), rtol=0, atol=0)


def test_weights_of_another_genotype_are_refused():
    other = Searched(Genotype("residual", 2, 16, (CELL,), (Cell(("relu3x3", "linear3x3"), (32,)),)))
    with pytest.raises(ValueError, match="another genotype"):
        Searched(RESIDUAL).set_extra_state(other.get_extra_state())


def test_residual_networks_run_natively_and_can_be_trained_further():
    torch.manual_seed(0)
    network = Searched(RESIDUAL).eval()
    model = export(network, "searched")  # compares both
    assert model.facts.training["genotype"]["channels"] == 16
    assert not any(node.op == "add" for node in model.graph.nodes)  # sums are fused
    state = restore_state(model, [lambda: Searched(RESIDUAL)])
    for name, value in network.named_parameters():
        torch.testing.assert_close(state[name].float(), value.detach())


def test_published_operations_that_the_runtime_lacks_are_named():
    with pytest.raises(ModelError, match=r"mul in|depthwise|tanh|groups"):
        export(create("trilevel_b1_x4"), "b1")
