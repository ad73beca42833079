"""Channels are dealt to all blocks, and the network stays the same."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from lab.smsr_cases import small_smsr  # noqa: E402
from sparsesr.lab.nn.channel_order import deal_channels  # noqa: E402
from sparsesr.lab.nn.skim import Skim, SkimConfig  # noqa: E402

NONE_DENSE = ((0, 0), (0, 0))


def uneven(network, width: int):
    """Weaken what reads the second half of the channels, as widening does."""
    with torch.no_grad():
        for weight in network.state_dict().values():
            if weight.shape[:2] == (width, width):
                weight[:, width // 2 :] *= 0.1
    return network.eval()


@pytest.mark.parametrize(
    "network",
    [small_smsr(NONE_DENSE, channels=32, layers=2), Skim(SkimConfig(channels=32, blocks=2, mask_channels=4))],
)
def test_the_network_computes_the_same_and_blocks_are_even(network):
    uneven(network, 32)
    image = torch.rand(1, 3, 12, 14, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        before = network(image)
        assert deal_channels(network, 32, 16)
        torch.testing.assert_close(network(image), before, atol=1e-5, rtol=0)
    layers = [value for value in network.state_dict().values() if value.shape[:2] == (32, 32)]
    for weight in layers:
        first, second = weight[:, :16].square().mean(), weight[:, 16:].square().mean()
        assert 0.5 < first / second < 2


def test_dense_channels_keep_their_place():
    network = uneven(small_smsr(((3, 1), (0, 0)), channels=32, layers=2), 32)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert not deal_channels(network, 32, 16)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_result_as_wide_as_the_maps_is_noticed():
    network = uneven(Skim(SkimConfig(scale=4, channels=48, blocks=1, mask_channels=4)), 48)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert not deal_channels(network, 48, 16)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
