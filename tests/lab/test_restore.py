"""Restoring networks from model files."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from lab.acnet_cases import small_acnet  # noqa: E402
from lab.skim_cases import small_skim  # noqa: E402
from lab.smsr_cases import random_image, small_smsr  # noqa: E402
from lab.training_runs import quiet, tiny_recipe  # noqa: E402
from sparsesr.errors import ModelError  # noqa: E402
from sparsesr.lab.export.exporter import export  # noqa: E402
from sparsesr.lab.export.restore import restore_state  # noqa: E402
from sparsesr.lab.nn.registry import NETWORKS, create  # noqa: E402
from sparsesr.lab.nn.smsr import SMSR, SMSRConfig  # noqa: E402
from sparsesr.lab.train.checkpoint import warm_start  # noqa: E402
from sparsesr.lab.train.loop import train  # noqa: E402
from sparsesr.modelfile.catalogue import load  # noqa: E402
from sparsesr.modelfile.writer import write_model  # noqa: E402


@pytest.mark.parametrize("network", [small_smsr(value_range=1), small_skim(), small_skim(mask_channels=0)])
def test_the_restored_network_computes_the_same(network):
    model = export(network, "small", check=False)
    fresh = type(network)(network.config)
    fresh.load_state_dict(restore_state(model, [lambda: type(network)(network.config)]))
    torch.testing.assert_close(fresh.eval()(random_image()), network(random_image()), rtol=1e-5, atol=1e-6)
    again = export(fresh, "small", check=False)
    assert again.graph == model.graph
    for name, tensor in model.tensors.items():
        torch.testing.assert_close(torch.tensor(again.tensors[name]), torch.tensor(tensor), rtol=0, atol=1e-6)


def test_a_file_with_another_value_range_becomes_a_network_on_0_to_1():
    network = small_smsr(value_range=255)
    config = SMSRConfig(**{**vars(network.config), "value_range": 1})
    unit = SMSR(config)
    unit.load_state_dict(restore_state(export(network, "small", check=False), [lambda: SMSR(config)]))
    torch.testing.assert_close(unit.eval()(random_image()), network(random_image()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["smsr_s_x2", "smsr_x3"])
def test_bundled_models_can_be_trained_further(name):
    network = create(name)
    assert warm_start(network, name) == []
    again = export(network.eval(), name, check=False)
    for tensor, stored in load(name).tensors.items():
        torch.testing.assert_close(
            torch.tensor(again.tensors[tensor]), torch.tensor(stored), rtol=0, atol=1e-6
        )


def test_another_scale_takes_all_but_the_tail():
    network = create("smsr_s_x4")
    assert set(warm_start(network, "smsr_s_x2")) == {"tail.0.weight", "tail.0.bias"}


def test_weights_that_export_merged_are_refused():
    model = export(small_acnet(2), "small", check=False)
    with pytest.raises(ModelError, match="start from the checkpoint"):
        restore_state(model, [lambda: small_acnet(2)])


def test_a_run_starts_from_a_model_file(tmp_path, monkeypatch):
    network = small_smsr(value_range=1)
    model = export(network, "small", check=False)
    write_model(tmp_path / "small.safetensors", model.facts, model.graph, model.tensors)
    monkeypatch.setitem(NETWORKS, "tiny_x2", lambda: SMSR(network.config))
    recipe = tiny_recipe(tmp_path, steps=1, learning_rate=1e-9, init_from=str(tmp_path / "small.safetensors"))
    kept = replace(recipe.sparsity, keep_masks=True, dense_fraction=0.0)
    outcome = train(replace(recipe, sparsity=kept), tmp_path / "run", device="cpu", threads=1, report=quiet)
    trained = SMSR(network.config)
    assert warm_start(trained, str(outcome.checkpoint)) == []
    torch.testing.assert_close(trained.eval()(random_image()), network(random_image()), rtol=1e-4, atol=1e-5)
