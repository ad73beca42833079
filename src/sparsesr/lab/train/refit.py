"""Least-squares refit of the weights that pruning keeps: they take over the work of those that it drops.

For inputs X of a layer (pixels x weights of a row) and a row w that is pruned to its kept part S, the best kept weights
minimise ``|X w - X_S v|^2``, so ``v = (X_S' X_S)^-1 X_S' X w``: the update of Optimal Brain Surgeon (Hassibi and Stork,
1993) for all dropped weights at once. Only the Gram matrix X'X is needed, which a few batches give.

Shape suffixes: K weights of a row in torch's order (ic, ky, kx), O rows, P pixels, S kept weights of a row, T taps.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from sparsesr.lab.nn.layers.sparse_mask import MaskedConvolutions

_DAMPING = 1e-3
"""Added to the diagonal, relative to its mean: inputs that are nearly always zero leave the matrix singular."""
_PIXELS = 4096
"""Pixels of a batch that enter a Gram matrix, as neighbours say nearly the same. They are drawn: a grid may fall on the
zero padding at the borders of patches far too often."""
_SEED = 5


def gram_matrices(network: nn.Module, names: Mapping[str, Any], run: Callable[[], None]) -> dict[str, Tensor]:
    """Gram matrix (K, K) of the inputs of the convolutions with these weights, over the forward passes of ``run``."""
    grams: dict[str, Tensor] = {}
    with _watching(network, names, grams), torch.no_grad():
        run()
    return grams


@contextmanager
def _watching(network: nn.Module, names: Mapping[str, Any], grams: dict[str, Tensor]) -> Generator[None]:
    places = _inside_masked(network)
    hooks: list[Any] = []
    for name in names:
        layer: Any = network.get_submodule(name)
        reader, part = places.get(layer, (layer, None))
        hooks.append(reader.register_forward_pre_hook(_adding_to(grams, name, layer, part)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _inside_masked(network: nn.Module) -> dict[nn.Module, tuple[nn.Module, slice]]:
    """For every masked convolution but the first ones, a module that reads its input too, and among which channels.

    With dense channels these convolutions are computed together with others, so they are never called themselves.
    """
    places: dict[nn.Module, tuple[nn.Module, slice]] = {}
    for unit in network.modules():
        if isinstance(unit, MaskedConvolutions):
            width = unit.collect.out_channels
            for index in range(1, unit.layers):
                # ``collect`` reads the results of all layers, one after another.
                places[unit.body[index]] = unit.collect, slice((index - 1) * width, index * width)
    return places


def _adding_to(
    grams: dict[str, Tensor], name: str, layer: nn.Conv2d, part: slice | None
) -> Callable[[Any, Any], None]:
    """A hook for a module that reads the input of ``layer``, as a ``part`` of its channels or on its own."""

    def add(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        feat_BCHW = inputs[0] if part is None else inputs[0][:, part]
        columns_PK = _columns(layer, feat_BCHW)
        gram = (columns_PK.T @ columns_PK).double()
        grams[name] = grams[name] + gram if name in grams else gram

    return add


def _columns(layer: nn.Conv2d, feat_BCHW: Tensor) -> Tensor:
    """What the layer multiplies at some pixels, (P, K); only their neighbourhoods are copied."""
    height, width = layer.kernel_size
    padded_BHWC = functional.pad(
        feat_BCHW.float().permute(0, 2, 3, 1), (0, 0, width // 2, width // 2, height // 2, height // 2)
    )
    batch, rows, columns, channels = padded_BHWC.shape
    image_P, row_P, column_P = _drawn(batch, rows - height + 1, columns - width + 1)
    first_P = (image_P * rows + row_P) * columns + column_P
    tap_T = (torch.arange(height)[:, None] * columns + torch.arange(width)).flatten()
    places_PT = (first_P[:, None] + tap_T).to(feat_BCHW.device)
    found_PTC = padded_BHWC.reshape(-1, channels)[places_PT]
    return found_PTC.transpose(1, 2).flatten(1)


def _drawn(batch: int, rows: int, columns: int) -> tuple[Tensor, Tensor, Tensor]:
    """Image, row and column (P,) of pixels of a batch: always the same for one size."""
    drawn_P = torch.randperm(batch * rows * columns, generator=torch.Generator().manual_seed(_SEED))[:_PIXELS]
    image_row_P = drawn_P // columns
    return image_row_P // rows, image_row_P % rows, drawn_P % columns


def refitted(weight_OIHW: Tensor, mask_OIHW: Tensor, gram_KK: Tensor) -> Tensor:
    """The weights of ``mask``, chosen to give nearly the outputs of all of ``weight``; zero elsewhere."""
    weight_OK, mask_OK = weight_OIHW.flatten(1).double(), mask_OIHW.flatten(1)
    damped_KK = gram_KK + _DAMPING * gram_KK.diagonal().mean() * torch.eye(len(gram_KK)).to(gram_KK)
    wanted_OK = weight_OK @ damped_KK
    fitted_OK = torch.zeros_like(weight_OK)
    for row, kept_K in enumerate(mask_OK):
        kept_S = kept_K.nonzero()[:, 0]
        factor, failed = torch.linalg.cholesky_ex(damped_KK[kept_S[:, None], kept_S])
        if failed:  # inputs that are not finite; the loss will say so
            return weight_OIHW * mask_OIHW
        fitted_OK[row, kept_S] = torch.cholesky_solve(wanted_OK[row, kept_S, None], factor)[:, 0]
    return fitted_OK.to(weight_OIHW.dtype).view_as(weight_OIHW)
