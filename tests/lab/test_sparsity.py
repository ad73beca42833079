"""Gumbel masks and schedules."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from sparsesr.lab.sparsity.gumbel import gumbel_noise_like, gumbel_softmax  # noqa: E402
from sparsesr.lab.sparsity.schedules import temperature_at, warmup_at  # noqa: E402


def test_noise_has_the_moments_of_a_gumbel_distribution():
    torch.manual_seed(0)
    noise = gumbel_noise_like(torch.zeros(400_000))
    assert noise.mean().item() == pytest.approx(0.5772, abs=0.01)
    assert noise.var().item() == pytest.approx(torch.pi**2 / 6, abs=0.03)
    assert torch.isfinite(noise).all()


def test_samples_follow_the_softmax():
    torch.manual_seed(0)
    logits = torch.tensor([0.0, 1.0]).expand(50_000, 2)
    sample = gumbel_softmax(logits, dim=1, temperature=0.4)
    assert torch.allclose(sample.sum(1), torch.ones(50_000))
    assert (sample[:, 1] > 0.5).float().mean().item() == pytest.approx(0.731, abs=0.01)


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_temperature_must_be_positive(temperature):
    with pytest.raises(ValueError, match="positive"):
        gumbel_softmax(torch.zeros(2, 2), dim=1, temperature=temperature)


def test_temperature_falls_linearly_then_stays():
    # The paper: 1 - (epoch - 1) / 500, not below 0.4, in 1000 epochs.
    assert [temperature_at(p) for p in (0, 0.1, 0.3, 1)] == pytest.approx([1, 0.8, 0.4, 0.4])
    assert temperature_at(0.2, decay_fraction=0) == 0.4


def test_warm_up_is_linear():
    assert [warmup_at(p) for p in (0, 0.025, 0.05, 1)] == pytest.approx([0, 0.5, 1, 1])
    assert warmup_at(0, warmup_fraction=0) == 1
