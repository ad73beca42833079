"""Masked convolutions of SMSR: native training against torch, and when torch computes."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from sparsesr import _native  # noqa: E402
from sparsesr.lab.nn.layers.sparse_mask import MaskedConvolutions  # noqa: E402


@pytest.fixture(params=["bf16", "f32"])
def dtype(request):
    if not _native.can_train_chain(32, request.param):
        pytest.skip("no kernels for training here")
    return {"bf16": torch.bfloat16, "f32": torch.float32}[request.param]


SHAPE = (2, 32, 10, 18)


def make_block(dense: int = 0) -> MaskedConvolutions:
    """Weights are those that bf16 holds exactly."""
    torch.manual_seed(0)
    block = MaskedConvolutions(SHAPE[1], 2).to(memory_format=torch.channels_last)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.copy_(parameter.bfloat16().float())
    block.fix_dense([dense, dense])
    block.is_channel_mask_frozen = True
    return block


def output_of(block, feature, mask=None):
    if mask is None:
        return block.forward_open(feature)
    return block(feature, mask, block.is_dense_CL().to(feature.dtype))


def trained(dtype, block, feature, mask=None):
    with torch.autocast("cpu", dtype, enabled=dtype is torch.bfloat16):
        return output_of(block, feature, mask)


def is_native(output) -> bool:
    """Whether the graph of the output, whose last layer is a 1x1 convolution, has the chain below it."""
    below = [node for node, _ in output.grad_fn.next_functions if node is not None]
    return any(type(node).__name__ == "_ReluChainBackward" for node in below)


def relative_error(found, expected):
    return ((found.double() - expected).norm() / expected.norm()).item()


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("kept", [None, 0.4])
def test_gradients_are_those_of_torch_in_float64(dtype, kept, memory_format):
    """In bf16 up to rounding between the layers, which moves some features over the threshold of a ReLU."""
    error = 6e-2 if dtype is torch.bfloat16 else 1e-5
    block = make_block()
    reference = make_block().double()
    feature, gradient = (torch.randn(SHAPE).to(dtype) for _ in range(2))
    mask = None if kept is None else (torch.rand(SHAPE[0], 1, *SHAPE[2:]) < kept).float()
    leaf = feature.clone(memory_format=memory_format).requires_grad_()
    output = trained(dtype, block, leaf, mask)
    assert is_native(output)
    output.backward(gradient)
    exact = feature.double().requires_grad_()
    expected = output_of(reference, exact, None if mask is None else mask.double())
    expected.backward(gradient.double())
    assert relative_error(output, expected) < error
    assert relative_error(leaf.grad, exact.grad) < error
    for found, wanted in zip(block.body.parameters(), reference.body.parameters(), strict=True):
        assert relative_error(found.grad, wanted.grad) < error


def test_torch_computes_whatever_else_is_asked_for(dtype):
    feature, mask = torch.randn(SHAPE), torch.ones(SHAPE[0], 1, *SHAPE[2:])
    assert is_native(trained(dtype, make_block(), feature, mask))
    assert not is_native(trained(dtype, make_block(), feature, 0.5 * mask))
    assert not is_native(trained(dtype, make_block(), feature, mask.clone().requires_grad_()))
    assert not is_native(trained(dtype, make_block(dense=3), feature, mask))
    assert not is_native(output_of(make_block().double(), feature.double(), mask.double()))
    assert not is_native(trained(dtype, make_block().eval(), feature, mask))
    soft = make_block()
    soft.is_channel_mask_frozen = False
    assert not is_native(trained(dtype, soft, feature, mask))
