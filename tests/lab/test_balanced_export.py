"""Export declares balanced weights where they are, and restoring undoes it."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lab.pruning_runs import narrow  # noqa: E402
from sparsesr.lab.export.exporter import export  # noqa: E402
from sparsesr.lab.export.graph_module import graph_module  # noqa: E402
from sparsesr.lab.export.restore import restore_network  # noqa: E402
from sparsesr.lab.nn.registry import NETWORKS  # noqa: E402
from sparsesr.lab.nn.skim import Skim, SkimConfig  # noqa: E402
from sparsesr.lab.sparsity.balance import Balance  # noqa: E402
from sparsesr.lab.sparsity.balanced import balanced_mask  # noqa: E402
from sparsesr.lab.train.prunable import prunable_weights  # noqa: E402
from sparsesr.lab.train.recipe import Pruning  # noqa: E402
from sparsesr.modelfile.catalogue import load  # noqa: E402
from sparsesr.modelfile.operations.conv2d import balance_of  # noqa: E402
from sparsesr.modelfile.writer import write_model  # noqa: E402
from sparsesr.runtime.session import Session  # noqa: E402


def pruned(keep: int, block: int):
    network = narrow().eval()
    with torch.no_grad():
        for weight in prunable_weights(network, Pruning(keep, block)).values():
            weight.mul_(balanced_mask(weight, Balance(keep, block)))
    return network


def patterns(model) -> dict[str, str | None]:
    found = {node.output: balance_of(node) for node in model.graph.nodes if "weight" in node.weights}
    return {name: None if pattern is None else str(pattern) for name, pattern in found.items()}


@pytest.mark.parametrize(
    ("keep", "block", "declared"),
    [(4, 16, "4/16"), (8, 16, "8/16"), (2, 8, "4/16"), (1, 8, "2/16"), (1, 4, "4/16")],
)
def test_the_sparsest_pattern_is_declared(keep, block, declared):
    found = patterns(export(pruned(keep, block), "pruned", check=False))
    assert found["head.2"] == found["body.1.layer1"] == declared
    assert found["head.0"] is None and found["tail.0"] is None


def test_blocks_of_64_are_declared_stored_and_run(tmp_path):
    network = Skim(SkimConfig(channels=64, blocks=1, mask_channels=0)).eval()
    with torch.no_grad():
        for weight in prunable_weights(network, Pruning(20, 64)).values():
            weight.mul_(balanced_mask(weight, Balance(20, 64)))
    model = export(network, "pruned")  # compares both
    assert list(patterns(model).values()).count("20/64") == 2
    write_model(tmp_path / "m.safetensors", model.facts, model.graph, model.tensors)
    read = load(tmp_path / "m.safetensors")
    assert all(np.array_equal(read.tensors[name], value) for name, value in model.tensors.items())


@pytest.mark.parametrize("keep", [9, 16])
def test_weights_that_are_mostly_kept_are_not_declared(keep):
    assert not any(patterns(export(pruned(keep, 16), "dense", check=False)).values())


def test_a_layer_of_zeros_is_not_taken_for_a_pruned_one():
    network = narrow().eval()
    torch.nn.init.zeros_(network.head[2].weight)
    assert patterns(export(network, "zeros", check=False))["head.2"] is None


def test_the_runtime_computes_what_the_network_does(monkeypatch):
    """Export itself checks the native result; here the graph is also run in torch."""
    network = pruned(4, 16)
    model = export(network, "pruned")
    image = torch.rand(1, 3, 24, 20, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        torch.testing.assert_close(graph_module(model)(image), network(image), atol=1e-5, rtol=0)
    native = Session(model, 1).run(image[0].permute(1, 2, 0).numpy().copy()).image
    with torch.no_grad():
        np.testing.assert_allclose(native, network(image)[0].permute(1, 2, 0).numpy(), atol=1e-4)


def test_a_pruned_model_file_gives_its_network_back(monkeypatch):
    monkeypatch.setitem(NETWORKS, "narrow_x2", narrow)
    network = pruned(4, 16)
    name, state = restore_network(export(network, "pruned", check=False))
    assert name == "narrow_x2"
    for key, value in network.state_dict().items():
        if "ch_mask" not in key:
            torch.testing.assert_close(state[key], value, atol=1e-6, rtol=1e-5)
    weight = state["head.2.weight"]
    assert ((weight == 0) == (network.state_dict()["head.2.weight"] == 0)).all()
