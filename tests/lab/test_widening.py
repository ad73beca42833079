"""Widening: a wide network starts with the function of a narrow one, and all its weights can learn."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from lab.smsr_cases import small_smsr  # noqa: E402
from sparsesr.errors import ModelError  # noqa: E402
from sparsesr.lab.nn.widening import is_narrower, widened  # noqa: E402
from sparsesr.lab.train.checkpoint import warm_start  # noqa: E402

WIDER = {"channels": 20, "mask_channels": 7, "attention_channels": 5}


@pytest.mark.parametrize("is_open", [True, False])
def test_the_outputs_equal_those_of_the_narrow_network(is_open):
    torch.manual_seed(1)
    narrow, wide = small_smsr(), small_smsr(**WIDER)
    wide.load_state_dict(widened(narrow.state_dict(), wide))
    image = torch.rand(2, 3, 10, 12)
    for network in (narrow, wide):
        network.open_masks(is_open)
        for module in network.mask_units():
            # New channels may be dense or sparse; their weights into the old channels are zero.
            module.body.ch_mask.data[:, 8:] += torch.randn_like(module.body.ch_mask[:, 8:])
    torch.testing.assert_close(wide(image), narrow(image), rtol=1e-4, atol=1e-5)


def test_every_new_weight_gets_a_gradient_in_two_steps():
    torch.manual_seed(1)
    narrow, wide = small_smsr(), small_smsr(**WIDER).train()
    wide.load_state_dict(widened(narrow.state_dict(), wide))
    wide.open_masks()
    optimizer = torch.optim.Adam(wide.parameters(), 1e-3)
    for _ in range(3):
        optimizer.zero_grad()
        (wide(torch.rand(2, 3, 10, 12)) - torch.rand(2, 3, 20, 24)).abs().mean().backward()
        optimizer.step()
    weights = [
        (name, p) for name, p in wide.named_parameters() if name.startswith("body") and "body.body" in name
    ]
    assert weights
    assert all(parameter.grad.abs().sum((1, 2, 3)).min() > 0 for _, parameter in weights)


def test_a_run_starts_from_a_narrower_network(tmp_path):
    torch.manual_seed(1)
    narrow, wide = small_smsr(), small_smsr(**WIDER)
    torch.save({"ema": narrow.state_dict()}, tmp_path / "narrow.pt")
    assert warm_start(wide, str(tmp_path / "narrow.pt")) == []
    image = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(wide(image), narrow(image), rtol=1e-4, atol=1e-5)


def test_networks_with_other_differences_are_not_narrower(tmp_path):
    network = small_smsr(**WIDER)
    assert not is_narrower(small_smsr(((3, 1), (5, 2)), layers=2).state_dict(), network)
    assert not is_narrower(small_smsr(channels=32).state_dict(), network)
    assert not is_narrower(small_smsr(value_range=1).state_dict(), network)
    assert not is_narrower(network.state_dict(), network)
    assert not is_narrower(small_smsr().state_dict(), small_smsr(scale=3, **WIDER))
    with pytest.raises(ValueError, match="narrower"):
        widened(small_smsr(channels=32).state_dict(), network)
    torch.save({"other": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(ModelError, match="none of its weights fits"):
        warm_start(network, str(tmp_path / "other.pt"))
