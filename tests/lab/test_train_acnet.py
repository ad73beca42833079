"""Features of the training loop for ACNet's recipes: noise, several scales, L2 loss."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import combinations

import pytest
import torch

from lab.training_runs import acnet_recipe, quiet, tiny_acnet
from sparsesr.errors import UsageError
from sparsesr.lab.data.several_scales import SeveralScales, scale_of_step
from sparsesr.lab.nn.registry import create
from sparsesr.lab.train.ending import Ending
from sparsesr.lab.train.enlarging import Enlarging
from sparsesr.lab.train.feeding import open_feed
from sparsesr.lab.train.loop import train


def weights(path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["ema"]


def equal(first, second) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


def test_noise_reaches_the_network_and_a_resumed_run_sees_the_same(tmp_path):
    recipe = acnet_recipe(tmp_path, 2, noise_sigma_max=55.0, validation_sigma=25.0)
    whole = train(recipe, tmp_path / "whole", report=quiet)
    clean = train(replace(recipe, noise_sigma_max=0.0), tmp_path / "clean", report=quiet)
    assert not equal(weights(whole.checkpoint), weights(clean.checkpoint))
    stops = iter([False] * 4)
    train(recipe, tmp_path / "parts", report=quiet, ending=Ending(should_stop=lambda: next(stops, True)))
    resumed = train(recipe, tmp_path / "parts", report=quiet, resume=True)
    assert resumed.finished and equal(weights(whole.checkpoint), weights(resumed.checkpoint))


def test_all_scales_are_trained(tmp_path):
    after = weights(
        train(acnet_recipe(tmp_path, 2, 3, 4, steps=15), tmp_path / "run", report=quiet).checkpoint
    )
    torch.manual_seed(1)  # the recipe's seed, for the initial weights
    before = tiny_acnet(2, 3, 4).state_dict()
    for scale in (2, 3, 4):
        assert (tmp_path / "run" / f"packed_x{scale}.bin").exists()
        name = f"upsample.up{scale}.body.0.weight"
        assert not torch.equal(before[name], after[name])
    assert torch.equal(before["sub_mean.shifter.bias"], after["sub_mean.shifter.bias"])


@pytest.mark.parametrize("trained", [(2, 3), ()])
def test_any_scale_of_several_is_validated(tmp_path, trained):
    recipe = replace(acnet_recipe(tmp_path, 2, 3, steps=2, validate_every=1), scale=3, scales=trained)
    train(recipe, tmp_path / "run", report=quiet)
    lines = map(json.loads, (tmp_path / "run/log.jsonl").read_text().splitlines())
    assert sum("psnr_y" in line for line in lines) == 2


def test_patches_have_the_scale_of_the_step(tmp_path):
    recipe = acnet_recipe(tmp_path, 2, 3)
    feed = open_feed(recipe, tmp_path, (0, 1), torch.device("cpu"), quiet)
    try:
        for step in range(1, 9):
            lr_B3HW, hr_B3HW = feed.at(step)
            assert hr_B3HW.shape[2] == scale_of_step(recipe.scales, recipe.seed, step) * lr_B3HW.shape[2]
            assert lr_B3HW.is_contiguous(memory_format=torch.channels_last)  # as the weights are
    finally:
        feed.close()
    with pytest.raises(UsageError, match="one process"):
        open_feed(recipe, tmp_path, (0, 2), torch.device("cpu"), quiet)


def test_each_scale_gets_its_share_of_steps():
    drawn = [SeveralScales(dict.fromkeys((2, 3, 4)), 5).scale_at(step) for step in range(600)]
    assert drawn == [SeveralScales(dict.fromkeys((2, 3, 4)), 5).scale_at(step) for step in range(600)]
    assert all(150 < drawn.count(scale) < 250 for scale in (2, 3, 4))


def test_the_loss_is_that_of_the_recipe(tmp_path):
    found = [
        weights(train(acnet_recipe(tmp_path, 2, loss=loss), tmp_path / loss, report=quiet).checkpoint)
        for loss in ("l1", "l2", "psnr")
    ]
    assert not any(equal(*pair) for pair in combinations(found, 2))


def test_the_psnr_loss_counts_decibels_of_every_image(tmp_path):
    """It adds one grey level to every error, so that an exact image has 48.1 dB."""
    errors_B3YX = torch.full((2, 3, 4, 4), 8.0) / 255
    errors_B3YX[1] = 0
    loss, figures = Enlarging(acnet_recipe(tmp_path, 2, loss="psnr")).loss(
        errors_B3YX, torch.zeros_like(errors_B3YX)
    )
    decibels = [10 * math.log10(255**2 / (error**2 + 1)) for error in (8, 0)]
    assert float(-255 * loss) == pytest.approx(sum(decibels) / 2, rel=1e-5)
    assert float(figures["l1"]) == pytest.approx(4)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"loss": "huber"}, "loss 'huber': use l1, l2, psnr"),
        ({"noise_sigma_max": -1.0}, "noise_sigma_max -1.0 must be in 0..255"),
        ({"scales": (3, 4)}, "must include scale 2"),
        ({"scales": (2, 3), "packed": "x.bin"}, "do not set packed"),
    ],
)
def test_inconsistent_settings_are_refused(tmp_path, settings, says):
    with pytest.raises(UsageError, match=says):
        acnet_recipe(tmp_path, 2, **settings)


def test_a_network_of_one_scale_is_not_trained_for_several(tmp_path):
    recipe = replace(acnet_recipe(tmp_path, 2), scales=(2, 3))
    with pytest.raises(UsageError, match="does not support the scales"):
        train(recipe, tmp_path / "run", report=quiet)


@pytest.mark.parametrize("network", ["tiny_acnet", "skim_fast_dense_x3", "smsr_s_x3", "esrt_x3"])
def test_a_recipe_of_another_scale_than_the_network_is_refused(tmp_path, network):
    recipe = replace(acnet_recipe(tmp_path, 3), network=network, scale=2)
    with pytest.raises(UsageError, match=r"enlarges x3, the recipe x2; .*recipe\.scale=3"):
        Enlarging(recipe).check(create(network))
