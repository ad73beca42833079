"""Networks from genotypes: published sizes, JSON, checkpoints, and what runs natively."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from runtime.random_graphs import random_image
from sparsesr.errors import ModelError
from sparsesr.lab.export.architectures import build_network
from sparsesr.lab.export.checkpoint import read_checkpoint
from sparsesr.lab.export.exporter import export
from sparsesr.lab.export.restore import restore_state
from sparsesr.lab.nn.genotype import (
    CELL,
    TRILEVEL_OPERATIONS,
    UP,
    Cell,
    Genotype,
    genotype_from_json,
    read_genotype,
)
from sparsesr.lab.nn.registry import create
from sparsesr.lab.nn.searched import Searched
from sparsesr.lab.nn.trilevel import LISTED
from sparsesr.lab.search.prices import Counted, price_of
from sparsesr.runtime.session import Session

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
    with pytest.raises(ModelError, match="another genotype"):
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


def every_candidate(family: str, keeps_shortcuts: bool) -> Genotype:
    """Every candidate first and last in a cell, between equal and unequal widths, and in long chains of 1x1."""
    firsts = [Cell((name, "skip", "skip", name), (24, 16, 16)) for name in TRILEVEL_OPERATIONS]
    lasts = [Cell(("conv3x3", name), (width,)) for name in TRILEVEL_OPERATIONS for width in (16, 8)]
    cells = (*firsts, Cell(("skip",) * 12, (8, 16, 24) * 3 + (8, 8)), *lasts)
    path = (CELL, UP, *(CELL,) * (len(cells) - 2), UP, CELL)
    return Genotype(family, 4, 16, path, cells, keeps_shortcuts)


def lively(genotype: Genotype) -> Searched:
    """A network with random weights whose results fill 0..1."""
    torch.manual_seed(0)
    network = Searched(genotype).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1.5).add_(0.02 * torch.randn_like(parameter))
        network.frame.tail.weight.mul_(4)
    return network


@pytest.mark.parametrize("family", ["trilevel_a", "trilevel_b"])
@pytest.mark.parametrize("keeps_shortcuts", [True, False])
def test_every_candidate_runs_natively(family, keeps_shortcuts):
    network = lively(every_candidate(family, keeps_shortcuts))
    model = export(network, "searched", check=False)
    image = random_image(13, 9, seed=4)
    with torch.no_grad():
        expected = network(torch.from_numpy(image).permute(2, 0, 1)[None])[0].permute(1, 2, 0).numpy()
    assert expected.std() > 0.05
    found = Session(model, 2).run(image).image
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    in_bf16 = Session(model, 1, "bf16", emulate=True)
    assert np.abs(in_bf16.run(image).image - expected).mean() < 0.01
    state = restore_state(model, [lambda: Searched(network.config)])
    assert state.keys() == network.state_dict().keys()


@pytest.mark.parametrize("name", LISTED)
def test_published_networks_run_natively(name):
    network = lively(LISTED[name])
    image = random_image(7, 9, seed=4)
    with torch.no_grad():
        expected = network(torch.from_numpy(image).permute(2, 0, 1)[None])[0].permute(1, 2, 0).numpy()
    assert expected.std() > 0.05
    found = Session(export(network, name, check=False), 1).run(image).image
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_factors_of_chains_cost_nothing():
    """The factor of a chain is folded, also through a sum and its activation; only identity shortcuts prevent it."""
    network = lively(every_candidate("trilevel_b", True))
    graph = export(network, "folded", check=False).graph
    assert not any("factors" in node.attrs for node in graph.nodes)
    network = lively(every_candidate("trilevel_b", False))
    sums = [node for node in export(network, "kept", check=False).graph.nodes if "factors" in node.attrs]
    found = [tuple(node.attrs["factors"]) for node in sums]
    assert found == [(1.0, 0.2)] * 4  # residual and dwsblock end two cells each


def test_the_end_is_a_sigmoid_before_the_shuffle():
    graph = export(lively(LISTED["trilevel_b3_x4"]), "b3", check=False).graph
    assert [node.op for node in graph.nodes[-3:]] == ["conv2d", "sigmoid", "pixel_shuffle"]
