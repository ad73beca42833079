"""Pitfalls of reimplementing SMSR that the tests of sizes and layers do not show."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from lightning_fabric import Fabric  # noqa: E402

from lab.smsr_cases import choose_dense, random_image, small_smsr  # noqa: E402
from lab.training_runs import quiet, tiny, tiny_recipe  # noqa: E402
from sparsesr.lab.nn.registry import NETWORKS  # noqa: E402
from sparsesr.lab.train.loop import train  # noqa: E402
from sparsesr.lab.train.recipe import Sparsity  # noqa: E402


@pytest.fixture
def one_step(tmp_path, monkeypatch):
    """Run the first step of a training with a constant weight; returns its loss and density."""
    monkeypatch.setitem(NETWORKS, "tiny_x2", tiny)
    standard = tiny_recipe(tmp_path, steps=1, validation="")

    def run(weight: float) -> tuple[float, float]:
        seen = {}

        def backward(self, loss, *args, **kwargs):
            seen["loss"] = loss.item()
            loss.backward()

        monkeypatch.setattr(Fabric, "backward", backward)
        plan = Sparsity(target_density=None, weight=weight, dense_fraction=0, warmup_fraction=0)
        recipe = replace(standard, sparsity=plan)
        train(recipe, tmp_path / f"run{weight}", device="cpu", report=quiet)
        line = next(line for line in lines(tmp_path / f"run{weight}") if "l1" in line)
        return seen["loss"], line["l1"]

    return run


def lines(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_lambda_weighs_against_an_l1_loss_on_0_to_255(one_step):
    """The paper's 0.1 belongs to values of 0..255; for 0..1 it would be 255 times too strong."""
    (without, l1), (small, _), (large, _) = (one_step(weight) for weight in (0.0, 0.1, 10.0))
    assert 255 * without == pytest.approx(l1, rel=1e-5), "the logged L1 is on 0..255"
    assert 1 < l1 < 255, "and not on 0..1"
    density = 255 * (large - without) / 10.0
    assert 0 < density < 1.001
    assert 255 * (small - without) == pytest.approx(0.1 * density, rel=1e-2)


def test_images_of_a_batch_do_not_mix():
    """Hard masks differ between images; the published inference takes one at a time."""
    network = small_smsr()
    both = torch.cat([random_image(6, 8), random_image(6, 8).flip(3)])
    with torch.no_grad():
        together = network(both)
        apart = torch.cat([network(one[None]) for one in both])
    torch.testing.assert_close(together, apart, atol=1e-5, rtol=1e-5)


def test_a_module_without_any_dense_channel_runs():
    network = small_smsr()
    with torch.no_grad():
        for module in network.mask_units():
            choose_dense(module.body.ch_mask, [0, 0, 0])
        assert torch.isfinite(network(random_image(6, 8))).all()
