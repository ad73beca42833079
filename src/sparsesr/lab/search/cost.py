"""Cost of a supernet's mixture: its expectation, which leads the search, and what a pass really computes.

Shape suffixes: N nodes, C cells, K candidates of a place, V and W candidate widths in front of and behind it, L levels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sparsesr.lab.search.architecture import Architecture, Mixture
from sparsesr.lab.search.prices import Prices
from sparsesr.lab.search.space import Space


class MixtureCost:
    """Prices of all choices of a space, as tensors."""

    def __init__(self, space: Space, prices: Prices, device: torch.device | None = None) -> None:
        self.space, self.frame = space, prices.frame()
        nodes, self._device = space.tree.nodes, device
        levels = [space.level(ups) for ups in range(space.most_ups + 1)]
        self._levels_C = torch.tensor(_cell_levels(space), device=device)
        self._tables = [
            self._tensor(_table(space, prices, place, levels)) for place in range(space.operations_per_cell)
        ]
        self._cells_C = self._tensor([prices.cell(level) for level in _cell_levels(space)])
        self._ups_N = self._tensor([_up_price(space, prices, index) for index in range(len(nodes))])
        #: Row n: which nodes have n among their ancestors, themselves included.
        self._below_NN = self._tensor(
            [[_is_below(space, other.index, node.index) for other in nodes] for node in nodes]
        )

    def expected(self, architecture: Architecture, mixture: Mixture) -> Tensor:
        """Mean price of a network drawn from the mixture and the width logits; differentiable."""
        widths_CIW = torch.softmax(architecture.width_logits, -1)
        own_N = self._own(mixture.operations, widths_CIW)
        return self.frame + (own_N * (self._below_NN @ mixture.nodes_N)).sum()

    @torch.no_grad()
    def active(self, mixture: Mixture, widths_CIW: Tensor) -> float:
        """Price of everything that a pass computes: all parts whose weight is not exactly zero."""
        present = [(weights > 0).to(weights.dtype) for weights in mixture.operations]
        reached_N = (self._below_NN @ mixture.nodes_N > 0).to(self._ups_N.dtype)
        return self.frame + float((self._own(present, widths_CIW) * reached_N).sum())

    @torch.no_grad()
    def everything(self, architecture: Architecture) -> float:
        """Price of a pass that skips nothing, at the largest widths."""
        operations = [torch.ones_like(logits) for logits in architecture.operation_logits]
        nodes_N = torch.ones_like(architecture.node_logits)
        return self.active(Mixture(nodes_N, operations), architecture.extreme_widths(True))

    @torch.no_grad()
    def largest_network(self, architecture: Architecture) -> float:
        """Price of the dearest network of the space, up to the choice of its operations' widths: all at the largest."""
        operations = [torch.ones_like(logits) for logits in architecture.operation_logits]
        widths_CIW = architecture.extreme_widths(True)
        dearest = [
            self._place(place, operations, widths_CIW, summed=False) for place in range(len(operations))
        ]
        cells_C = self._cells_C + torch.stack([price_CK.amax(1) for price_CK in dearest]).sum(0)
        totals_N = self._below_NN.T @ self._by_node(cells_C)
        return self.frame + float(totals_N[list(architecture.legal)].max())

    def _own(self, operations: list[Tensor], widths_CIW: Tensor) -> Tensor:
        """Price of every node's own block, (N,)."""
        places = [self._place(place, operations, widths_CIW) for place in range(len(operations))]
        return self._by_node(self._cells_C + torch.stack(places).sum(0))

    def _place(self, place: int, operations: list[Tensor], widths_CIW: Tensor, summed: bool = True) -> Tensor:
        """Price of a place in all cells: summed over its candidates (C,), or of each (C, K)."""
        before_CV, behind_CW = (self._widths(at, widths_CIW) for at in (place, place + 1))
        table_CKVW = self._tables[place][self._levels_C]
        price_CK = torch.einsum("ck,cv,cw,ckvw->ck", operations[place], before_CV, behind_CW, table_CKVW)
        return price_CK.sum(1) if summed else price_CK

    def _widths(self, place: int, widths_CIW: Tensor) -> Tensor:
        if 0 < place < self.space.operations_per_cell:
            return widths_CIW[:, place - 1]
        return torch.ones(self.space.tree.cells, 1, device=self._device)

    def _by_node(self, cells_C: Tensor) -> Tensor:
        """Prices of the nodes' own blocks: the root's are the fixed cells."""
        fixed = self.space.fixed_cells
        own = [cells_C[:fixed].sum()] + [
            cells_C[node.cells[-1]] if node.up is None else self._ups_N[node.index]
            for node in self.space.tree.nodes[1:]
        ]
        return torch.stack(own)

    def _tensor(self, values: object) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self._device)


def _table(space: Space, prices: Prices, place: int, levels: list[int]) -> list[list[list[list[float]]]]:
    """Prices (L, K, V, W) of a place."""
    return [
        [
            [
                [prices.operation(name, c_in, c_out, level) for c_out in space.widths_at(place + 1)]
                for c_in in space.widths_at(place)
            ]
            for name in space.candidates[place]
        ]
        for level in levels
    ]


def _cell_levels(space: Space) -> list[int]:
    """Level of every cell."""
    levels = [0] * space.tree.cells
    for node in space.tree.nodes[1:]:
        if node.up is None:
            levels[node.cells[-1]] = space.level(node.ups)
    return levels


def _up_price(space: Space, prices: Prices, index: int) -> float:
    node = space.tree.nodes[index]
    return 0.0 if node.up is None else prices.up(space.level(node.ups - 1))


def _is_below(space: Space, index: int | None, ancestor: int) -> bool:
    while index is not None and index != ancestor:
        index = space.tree.nodes[index].parent
    return index is not None
