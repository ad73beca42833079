"""Triton kernels against torch: in Triton's interpreter where there is no GPU."""

from __future__ import annotations

import os

import pytest

torch = pytest.importorskip("torch")
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # read when kernels are defined
pytest.importorskip("triton")

from sparsesr.lab.gpu.balanced_weight import pack_for_gpu  # noqa: E402
from sparsesr.lab.gpu.convolution import convolve  # noqa: E402
from sparsesr.lab.gpu.matrix_vector import multiply  # noqa: E402
from sparsesr.lab.sparsity.balance import Balance  # noqa: E402
from sparsesr.lab.sparsity.balanced import balanced_mask  # noqa: E402
from sparsesr.modelfile.balanced import pack  # noqa: E402

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def pruned(*shape: int, balance: Balance, seed: int = 1) -> torch.Tensor:
    weight = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    four = weight if weight.dim() == 4 else weight[..., None, None]
    return (four * balanced_mask(four, balance)).reshape(shape).to(DEVICE)


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(2)).to(DEVICE)


def close(found: torch.Tensor, wanted: torch.Tensor) -> None:
    torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=1e-5 * float(wanted.abs().max()))


@pytest.mark.parametrize("vectors", [1, 3])
@pytest.mark.parametrize(("outputs", "inputs"), [(1, 32), (128, 64), (200, 512), (257, 96)])
@pytest.mark.parametrize("balance", [Balance(1, 32), Balance(4, 16), Balance(16, 32)])
def test_matrix_times_vectors(vectors, outputs, inputs, balance):
    matrix, x = pruned(outputs, inputs, balance=balance), random(vectors, inputs)
    close(multiply(x, pack_for_gpu(matrix, balance)), x.double() @ matrix.double().T)


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize(("outputs", "inputs"), [(5, 16), (64, 32), (33, 48)])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 9), (16, 5)])
def test_convolution(kernel, outputs, inputs, height, width):
    balance = Balance(4, 16)
    weight = pruned(outputs, inputs, kernel, kernel, balance=balance)
    feat, bias = random(2, inputs, height, width), random(outputs)
    wanted = torch.nn.functional.conv2d(feat.double(), weight.double(), bias.double(), padding=kernel // 2)
    packed = pack_for_gpu(weight, balance)
    close(convolve(feat, packed, bias), wanted)
    close(
        convolve(feat.contiguous(memory_format=torch.channels_last), packed),
        wanted - bias.double()[:, None, None],
    )


def test_the_layout_is_that_of_model_files_with_outputs_last():
    weight = pruned(6, 32, 3, 3, balance=Balance(4, 16))
    values, positions = pack(weight.cpu().numpy(), 16, 4)
    packed = pack_for_gpu(weight, Balance(4, 16))
    assert packed.values.permute(2, 0, 1).cpu().numpy().tolist() == values.tolist()
    assert packed.positions.permute(2, 0, 1).cpu().numpy().tolist() == positions.tolist()


def test_blocks_of_zeros_are_filled_up():
    matrix = torch.zeros(3, 32, device=DEVICE)
    matrix[1, 7] = 2.0
    x = random(2, 32)
    close(multiply(x, pack_for_gpu(matrix, Balance(4, 16))), x.double() @ matrix.double().T)


def test_wrong_shapes_are_refused():
    matrix = pruned(8, 32, balance=Balance(4, 16))
    with pytest.raises(ValueError, match="prune it first"):
        pack_for_gpu(torch.ones(8, 32), Balance(4, 16))
    with pytest.raises(ValueError, match="do not divide"):
        pack_for_gpu(torch.ones(8, 30), Balance(4, 16))
    with pytest.raises(ValueError, match="vectors of 32"):
        multiply(random(1, 16), pack_for_gpu(matrix, Balance(4, 16)))
    with pytest.raises(ValueError, match="map of 32"):
        convolve(random(1, 16, 4, 4), pack_for_gpu(matrix, Balance(4, 16)))
