"""Noise: drawn per sample and repeatable in training, always the same in evaluation."""

from __future__ import annotations

import pytest
import torch

from sparsesr.cli.main import main
from sparsesr.lab.data.noise import with_blind_noise
from sparsesr.lab.train.validation import PairValidation
from sparsesr.measure.protocol import find_sets
from sparsesr.measure.quality import evaluate
from training_images import write_images


def test_every_sample_has_its_own_level():
    noise = with_blind_noise(torch.zeros(400, 3, 16, 16), 55, (1, 2, 3))
    levels = 255 * noise.flatten(1).std(dim=1)
    assert levels.min() < 3 and 52 < levels.max() < 58
    assert levels.mean().item() == pytest.approx(27.5, abs=2.5)
    for low in (0, 11, 22, 33, 44):
        assert 40 < ((levels >= low) & (levels < low + 11)).sum() < 120
    assert abs(noise.mean()) < 1e-3


def test_noise_depends_on_its_key_and_is_not_clipped():
    lr = torch.ones(4, 3, 8, 8)
    same, again = (with_blind_noise(lr, 55, (1, 2, 0)) for _ in range(2))
    assert torch.equal(same, again) and same.max() > 1.05
    for key in ((2, 2, 0), (1, 3, 0), (1, 2, 1)):
        assert not torch.equal(same, with_blind_noise(lr, 55, key))
    torch.manual_seed(0)
    before = torch.rand(3)
    torch.manual_seed(0)
    with_blind_noise(lr, 55, (1, 2, 0))
    assert torch.equal(before, torch.rand(3)), "other draws of a step must not be changed"


def test_torch_and_runtime_see_the_same_noise(tmp_path):
    from lab.acnet_cases import repeating_acnet
    from sparsesr.lab.evaluate.torch_method import TorchMethod
    from sparsesr.lab.export.exporter import export
    from sparsesr.measure.native import NativeMethod

    write_images(tmp_path / "HR", 2)
    module = repeating_acnet(2)
    model, images = export(module, "repeating", check=False), find_sets(tmp_path, 2)[0]
    native, in_torch = NativeMethod(model, 1), TorchMethod(module, model)
    clean = evaluate(native, images).mean("psnr_y")
    found = [evaluate(method, images, noise_sigma=25).mean("psnr_y") for method in (native, in_torch)]
    assert found[0] == pytest.approx(found[1], abs=0.001)
    assert found[0] < clean - 1
    louder = evaluate(native, images, noise_sigma=50).mean("psnr_y")
    assert louder < found[0] - 2


def test_validation_with_noise_is_repeatable(tmp_path):
    from lab.acnet_cases import repeating_acnet

    write_images(tmp_path / "val", 1)
    module = repeating_acnet(2)
    figures = [PairValidation(str(tmp_path / "val"), 2, sigma=sigma).measure(module) for sigma in (0, 25, 25)]
    assert figures[1] == figures[2] and figures[1]["psnr_y"] < figures[0]["psnr_y"]


@pytest.mark.parametrize("sigma", ["-1", "256", "nan"])
def test_command_line_refuses_impossible_levels(sigma, tmp_path, capsys):
    assert main(["eval", "--data", str(tmp_path), "--noise-sigma", sigma]) == 2
    assert "--noise-sigma must be 0 to 255" in capsys.readouterr().err
