"""Architecture parameters: logits of network paths, of operations and of widths.

Shape suffixes: N nodes, C cells of all nodes, K candidate operations of a place, I inner widths of a cell (one fewer
than its places), W candidate widths.
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional

from sparsesr.lab.nn.genotype import Genotype
from sparsesr.lab.search.projections import sparsestmax
from sparsesr.lab.search.space import Space
from sparsesr.lab.sparsity.gumbel import gumbel_noise_like

_FIRST_PATH_LOGIT = 0.3
_SMALL = 1e-3
"""First logits as in the public code."""


class Mixture:
    """Weights of all choices at one radius; each row sums to one and may be exactly sparse."""

    def __init__(self, nodes_N: Tensor, operations: list[Tensor]) -> None:
        #: Weight of every node, 0 for nodes that are no whole network.
        self.nodes_N = nodes_N
        #: Weights of the candidates, (C, K) for every place.
        self.operations = operations

    @cached_property
    def node_weights(self) -> list[float]:
        """``nodes_N`` as numbers, read from the device once for all passes of a step."""
        return self.nodes_N.tolist()

    @cached_property
    def operation_weights(self) -> list[list[list[float]]]:
        """``operations`` as numbers."""
        return [rows_CK.tolist() for rows_CK in self.operations]


class Architecture(nn.Module):
    """The searched parameters; ``radius`` leads them from mixtures (0) to one network (1)."""

    def __init__(self, space: Space, scale: int, variant: str = "code") -> None:
        super().__init__()
        self.space, self.scale, self.variant = space, scale, variant
        self.radius = 0.0
        cells, inner = space.tree.cells, space.operations_per_cell - 1
        self.legal = space.legal_nodes(scale)
        self.node_logits = nn.Parameter(torch.full((len(space.tree.nodes),), _FIRST_PATH_LOGIT))
        self.operation_logits = nn.ParameterList(
            torch.full((cells, len(names)), _SMALL) for names in space.candidates
        )
        self.width_logits = nn.Parameter(_SMALL * torch.randn(cells, inner, len(space.widths)))

    def mixture(self, radius: float | None = None) -> Mixture:
        """Weights of nodes and operations at a radius, by default the current one."""
        radius = self.radius if radius is None else radius
        legal = torch.tensor(self.legal, device=self.node_logits.device)
        weights = sparsestmax(self.node_logits[legal], radius, self.variant)
        nodes_N = torch.zeros_like(self.node_logits).index_put((legal,), weights)
        return Mixture(
            nodes_N, [sparsestmax(logits, radius, self.variant) for logits in self.operation_logits]
        )

    def sampled_widths(self) -> Tensor:
        """Widths drawn by Gumbel-softmax at temperature 1: one-hot (C, I, W) with the soft sample's gradient."""
        noise_CIW = gumbel_noise_like(self.width_logits)
        soft_CIW = torch.softmax(self.width_logits + noise_CIW, -1)
        return self._one_hot(soft_CIW.argmax(-1)) + soft_CIW - soft_CIW.detach()

    def extreme_widths(self, largest: bool) -> Tensor:
        """All widths at their largest or smallest: one-hot (C, I, W) without a gradient."""
        widths = self.space.widths
        index = widths.index(max(widths) if largest else min(widths))
        return self._one_hot(torch.full(self.width_logits.shape[:2], index, device=self.width_logits.device))

    def best_widths(self) -> Tensor:
        """The preferred widths: one-hot (C, I, W) without a gradient."""
        return self._one_hot(self.width_logits.detach().argmax(-1))

    def _one_hot(self, indices_CI: Tensor) -> Tensor:
        return functional.one_hot(indices_CI, len(self.space.widths)).to(self.width_logits.dtype)

    @torch.no_grad()
    def genotype(self) -> Genotype:
        """The network that a radius of 1 leaves."""
        mixture = self.mixture(1.0)
        chosen = [weights.argmax(-1).tolist() for weights in mixture.operations]
        return self.space.genotype(
            self.scale,
            int(mixture.nodes_N.argmax()),
            tuple(zip(*chosen, strict=True)),
            tuple(map(tuple, self.width_logits.argmax(-1).tolist())),
        )
