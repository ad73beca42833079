"""Checkpoints in the ESRT authors' layout: detected and loaded strictly; wrong ones give one line."""

from __future__ import annotations

import pytest
import torch

from lab.esrt_cases import small_esrt
from lab.smsr_cases import random_image
from sparsesr.errors import ModelError
from sparsesr.lab.export.architectures import build_network
from sparsesr.lab.export.importer import load_network
from sparsesr.lab.nn.esrt import ESRT, ESRTConfig


def test_published_layout_is_recognised(tmp_path):
    torch.manual_seed(4)
    module, path = ESRT(ESRTConfig(scale=4)).eval(), tmp_path / "epoch_990.pth"
    torch.save({f"module.{name}": tensor for name, tensor in module.state_dict().items()}, path)
    architecture, found = load_network(path)
    assert architecture == "esrt" and found.config == module.config and not found.training
    with torch.no_grad():
        assert torch.equal(found(random_image(6, 7)), module(random_image(6, 7)))


@pytest.mark.parametrize("module", [ESRT(ESRTConfig(scale=2)), small_esrt(scale=3)], ids=["x2", "narrow"])
def test_scale_and_widths_are_recovered(module):
    architecture, found = build_network(module.state_dict(), "test")
    assert architecture.name == "esrt" and found.config == module.config
    with torch.no_grad():
        assert torch.equal(found(random_image(6, 7)), module.eval()(random_image(6, 7)))


def changed(**tensors):
    state = ESRT().state_dict()
    for name, tensor in tensors.items():
        name = name.replace("__", ".")
        if tensor is None:
            del state[name]
        else:
            state[name] = tensor
    return state


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (changed(tail__1__bias=None), r"not esrt; missing: tail\.1\.bias"),
        (changed(body__0__encoder4=torch.zeros(1)), r"unexpected: body\.0\.encoder4"),
        (changed(reduce__bias=torch.zeros(5)), r"reduce\.bias \[5\] instead of \[32\]"),
        (changed(head__0__weight=torch.zeros(30_000, 3, 1, 1)), r"looks like esrt, but"),
        (changed(up__0__0__weight=torch.zeros(800, 32, 3, 3)), r"scale must be 2, 3 or 4"),
    ],
    ids=["missing", "extra", "shape", "sizes", "scale"],
)
def test_mismatches_are_named(state, message):
    with pytest.raises(ModelError, match=message) as caught:
        build_network(state, "bad.pth")
    assert "\n" not in str(caught.value)
