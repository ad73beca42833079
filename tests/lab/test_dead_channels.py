"""Channels that ReLU has switched off for good are reported by validation."""

from __future__ import annotations

import torch

from lab.skim_cases import SMALL, small_skim
from lab.training_runs import tiny
from sparsesr.lab.train.validation import PairValidation
from training_images import write_images

HIDDEN = SMALL["channels"] * SMALL["blocks"]


def test_validation_counts_dead_channels(tmp_path):
    write_images(tmp_path, 1)
    network = small_skim()
    validation = PairValidation(str(tmp_path), 2, size_multiple=2)
    assert validation.measure(network)["dead"] == 0
    with torch.no_grad():
        network.body[1].a.bias[:3] = -1e6
    assert validation.measure(network)["dead"] == 3 / HIDDEN
    assert not network.body[1].a._forward_hooks


def test_a_channel_is_dead_only_if_it_is_so_in_all_processes(tmp_path):
    write_images(tmp_path, 1)
    network = small_skim()
    with torch.no_grad():
        network.body[0].a.bias[:] = -1e6
    validation = PairValidation(str(tmp_path), 2, size_multiple=2)

    def with_the_other(sums: torch.Tensor) -> torch.Tensor:
        other = torch.zeros_like(sums)
        other[3:7] = 1.0  # four channels of the first block
        return sums + other

    assert validation.measure(network, with_the_other)["dead"] == (SMALL["channels"] - 4) / HIDDEN


def test_networks_without_residual_blocks_report_none(tmp_path):
    write_images(tmp_path, 1)
    network = tiny()
    assert "dead" not in PairValidation(str(tmp_path), 2, size_multiple=2).measure(network)
