"""Chains of residual blocks: native training against torch, and when torch computes."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from sparsesr import _native  # noqa: E402
from sparsesr.lab.nn.layers.residual_chain import ResidualChain  # noqa: E402
from sparsesr.lab.nn.registry import create  # noqa: E402

needs_kernels = pytest.mark.skipif(
    not _native.can_train_chain(64, "bf16"), reason="no kernels for training here"
)
needs_sparse_kernels = pytest.mark.skipif(
    not _native.can_train_chain(32, "f32"), reason="no fast kernels here"
)


def make_chain(channels, blocks=1):
    """Weights are those that bf16 holds exactly, so that no ReLU falls on the other side."""
    torch.manual_seed(0)
    chain = ResidualChain(channels, blocks).to(memory_format=torch.channels_last)
    with torch.no_grad():
        for parameter in chain.parameters():
            parameter.copy_(parameter.bfloat16().float())
    return chain


def in_float64(chain):
    other = ResidualChain(chain.channels, len(chain)).double()
    other.load_state_dict({name: value.double() for name, value in chain.state_dict().items()})
    return other


def trained_with_bf16(chain, feature):
    with torch.autocast("cpu", torch.bfloat16):
        return chain(feature)


def is_native(output):
    return type(output.grad_fn).__name__ == "_NativeChainBackward"


def relative_error(found, expected):
    return ((found.double() - expected).norm() / expected.norm()).item()


@needs_kernels
@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize(("channels", "shape"), [(64, (2, 9, 17)), (32, (1, 48, 48))])
def test_gradients_are_those_of_torch_in_float64(channels, shape, dtype, memory_format):
    chain = make_chain(channels).to(memory_format=memory_format)
    reference = in_float64(chain)
    feature, gradient = (torch.randn(shape[0], channels, *shape[1:]).bfloat16() for _ in range(2))
    leaf = feature.to(dtype).contiguous(memory_format=memory_format).requires_grad_()
    output = trained_with_bf16(chain, leaf)
    assert is_native(output)
    output.backward(gradient)
    exact = feature.detach().double().requires_grad_()
    expected = reference(exact)
    expected.backward(gradient.double())
    assert leaf.grad.dtype == dtype
    assert relative_error(output, expected) < 3e-3
    assert relative_error(leaf.grad, exact.grad) < 3e-3
    for found, wanted in zip(chain.parameters(), reference.parameters(), strict=True):
        assert relative_error(found.grad, wanted.grad) < 3e-3


@needs_kernels
def test_parameters_and_features_that_are_frozen_get_no_gradient():
    chain = make_chain(32)
    chain[0].a.requires_grad_(False)
    trained_with_bf16(chain, torch.randn(1, 32, 6, 6)).sum().backward()
    assert chain[0].a.weight.grad is None and chain[0].b.weight.grad is not None


@needs_kernels
def test_gradients_of_a_step_are_the_same_each_time():
    found = []
    for _ in range(2):
        chain = make_chain(64, blocks=2)
        feature = torch.randn(3, 64, 10, 20, generator=torch.Generator().manual_seed(1))
        trained_with_bf16(chain, feature).sum().backward()
        found.append([parameter.grad for parameter in chain.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_torch_computes_whatever_else_is_asked_for():
    chain = make_chain(32)
    feature = torch.randn(1, 32, 6, 8)
    assert not is_native(in_float64(chain)(feature.double()))
    assert not is_native(make_chain(24)(torch.randn(1, 24, 6, 8)))
    assert not is_native(chain(feature, torch.full((1, 1, 6, 8), 0.5)))
    assert not is_native(trained_with_bf16(make_chain(16), torch.randn(1, 16, 6, 8)))
    with torch.autocast("cpu", torch.bfloat16):
        assert not is_native(chain(feature, torch.full((1, 1, 6, 8), 0.5)))
    chain.eval()
    assert not is_native(trained_with_bf16(chain, feature))
    assert not is_native(chain(feature))


def test_evaluation_is_block_by_block_in_fp32():
    network = create("skim_fast_dense_x2").eval()
    image = torch.rand(1, 3, 12, 10)
    feature = network.head(16 * network.sub_mean(image))
    for block in network.body:
        feature = block(feature)
    expected = network.add_mean(network.tail(feature) / 16 + network.upsample(network.sub_mean(image)))
    assert torch.equal(network(image), expected)


def test_names_of_the_weights_are_those_of_a_list_of_blocks():
    names = set(ResidualChain(8, 2).state_dict())
    assert names == {f"{i}.{conv}.{kind}" for i in (0, 1) for conv in "ab" for kind in ("weight", "bias")}


@needs_kernels
@pytest.mark.parametrize("kept", [0.0, 0.4, 1.0])
@pytest.mark.parametrize(("channels", "blocks", "tolerance"), [(64, 1, 3e-3), (32, 1, 3e-3), (32, 3, 5e-2)])
def test_gradients_with_a_mask_are_those_of_torch_in_float64(channels, blocks, tolerance, kept):
    """Features between blocks are rounded to bf16, which moves some over the threshold of a ReLU."""
    chain = make_chain(channels, blocks)
    reference = in_float64(chain)
    feature, gradient = (torch.randn(3, channels, 9, 17).bfloat16() for _ in range(2))
    mask = (torch.rand(3, 1, 9, 17) < kept).float()
    leaf = feature.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        output = chain(leaf, mask)
    assert is_native(output)
    output.backward(gradient)
    exact = feature.double().requires_grad_()
    expected = reference(exact, mask.double())
    expected.backward(gradient.double())
    inactive = (mask == 0).expand_as(feature)
    assert torch.equal(output[inactive], feature[inactive])
    assert relative_error(output, expected) < tolerance
    assert relative_error(leaf.grad, exact.grad) < tolerance
    for found, wanted in zip(chain.parameters(), reference.parameters(), strict=True):
        assert (found.grad.double() - wanted.grad).norm() <= tolerance * wanted.grad.norm()


@needs_sparse_kernels
@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("kept", [None, 0.0, 0.4, 1.0])
def test_gradients_in_fp32_are_those_of_torch_in_float64(kept, memory_format):
    chain = make_chain(32).to(memory_format=memory_format)
    reference = in_float64(chain)
    feature, gradient = (torch.randn(2, 32, 9, 17) for _ in range(2))
    masks = () if kept is None else ((torch.rand(2, 1, 9, 17) < kept).float(),)
    leaf = feature.clone(memory_format=memory_format).requires_grad_()
    output = chain(leaf, *masks)
    assert is_native(output)
    output.backward(gradient)
    exact = feature.double().requires_grad_()
    expected = reference(exact, *(mask.double() for mask in masks))
    expected.backward(gradient.double())
    assert relative_error(output, expected) < 1e-6
    assert relative_error(leaf.grad, exact.grad) < 1e-5
    for found, wanted in zip(chain.parameters(), reference.parameters(), strict=True):
        assert (found.grad.double() - wanted.grad).norm() <= 1e-5 * wanted.grad.norm()


@needs_sparse_kernels
def test_a_mask_that_needs_gradients_is_trained_by_torch():
    chain, feature = make_chain(32), torch.randn(1, 32, 8, 8)
    mask = torch.rand(1, 1, 8, 8, requires_grad=True)
    output = chain(feature, mask)
    assert not is_native(output)
    output.float().sum().backward()
    assert mask.grad.abs().sum() > 0
