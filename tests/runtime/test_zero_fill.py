"""Zero fill: inactive pixels are cleared only where they are read, and nothing reads undefined values."""

from __future__ import annotations

import numpy as np
import pytest

from graphs import plain, smsr
from runtime.random_graphs import random_image, residual_blocks, shared_mask
from sparsesr import _native
from sparsesr.modelfile.validation import type_graph
from sparsesr.runtime.backend.native import window
from sparsesr.runtime.graph.zero_fill import MaskZeros, ZeroFill, mask_zeros
from sparsesr.runtime.session import Session


def found(model) -> dict[str, MaskZeros]:
    shapes = {name: tensor.shape for name, tensor in model.tensors.items()}
    return dict(mask_zeros(type_graph(model.graph, shapes), model.graph.output))


def test_zero_fill_follows_the_readers():
    model = smsr(16, modules=1, layers=3)
    by_node = found(model)
    layers = [node.output for node in model.graph.nodes if node.op == "masked_conv2d"]
    *inner, last, collected = (by_node[name] for name in layers)
    assert [around.fill for around in inner] == [ZeroFill.BORDER] * 2  # read by the next 3x3
    assert last.fill is ZeroFill.NOWHERE  # read by the 1x1 only
    assert collected.fill is ZeroFill.EVERYWHERE  # read by operations without a mask


def test_nonzero_channels_at_inactive_pixels():
    model = smsr(16, modules=1, layers=3, dense_out=[[5, 2, 0]])
    by_node = found(model)
    layers = [node.output for node in model.graph.nodes if node.op == "masked_conv2d"]
    assert [by_node[name].nonzero_channels for name in layers] == [None, [5], [2], None]
    assert found(plain()) == {}


@pytest.fixture(params=_native.cpu_features())
def isa(request):
    """Each instruction set of this machine."""
    before = _native.set_cpu(request.param)
    yield request.param
    _native.set_cpu(before)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("band_rows", [4, 10, 40])
@pytest.mark.parametrize(
    "model",
    [
        smsr(16, modules=2, layers=3, seed=1),
        smsr(40, modules=1, layers=4, seed=2),
        shared_mask(),
        residual_blocks(),
    ],
    ids=["16", "40", "shared", "residual_blocks"],
)
def test_undefined_memory_changes_no_bit(model, band_rows, precision, monkeypatch):
    image = random_image(38, 30, np.uint8, seed=5)
    expected = Session(model, 2, precision, emulate=True).run(image, band_rows=band_rows).image
    zeros = window.windows_of_zeros

    def anything(shapes):
        """Windows with NaN in every pixel but the borders."""
        arrays = zeros(shapes)
        for array in arrays:
            array[1:-1, 1:-1] = np.nan if array.dtype == np.float32 else 0x7FC0
        return arrays

    monkeypatch.setattr(window, "windows_of_zeros", anything)
    actual = Session(model, 2, precision, emulate=True).run(image, band_rows=band_rows).image
    np.testing.assert_array_equal(actual, expected)
