"""The supernet: all networks of a space in one, mixed by the architecture parameters.

A node's features are those of its parent behind one more block; the body's result is the sum of all nodes' features by
their weights. Every place of a cell is the sum of its candidates by theirs. Branches and candidates whose weight is
exactly zero are not computed, so a search gets cheaper as the radius grows.

Shape suffixes: B batch, C channels (of features) or cells (of choices), H and W rows and columns, I inner widths and W
candidate widths of a cell (in ``CIW``), N nodes.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from sparsesr.lab.nn.genotype import Genotype
from sparsesr.lab.nn.layers.searched_frames import frame_of
from sparsesr.lab.nn.layers.searched_operations import up_block
from sparsesr.lab.nn.searched import Searched
from sparsesr.lab.search.architecture import Architecture, Mixture
from sparsesr.lab.search.slimming import inherit, run_slimmed, widest
from sparsesr.lab.search.space import Space
from sparsesr.lab.search.tree import Node


class Supernet(nn.Module):
    """(B, 3, H, W) in 0..1 -> (B, 3, scale * H, scale * W).

    Training returns three passes one after another along the batch (the sandwich rule of slimmable networks): widths
    drawn at random, all at their largest, all at their smallest. Evaluation uses the preferred widths.
    """

    def __init__(self, space: Space, scale: int, variant: str = "code") -> None:
        super().__init__()
        self.space, self.scale = space, scale
        self.architecture = Architecture(space, scale, variant)
        self.frame = frame_of(space.family, space.channels, scale)
        self.cells = nn.ModuleList(_full_cell(space) for _ in range(space.tree.cells))
        enlarges = space.rule.ups_enlarge
        self.ups = nn.ModuleList(up_block(space.channels, enlarges) for _ in range(space.tree.ups))
        #: Mixture of the last forward pass, for losses on it.
        self.last_mixture: Mixture | None = None

    def forward(self, image_B3HW: Tensor) -> Tensor:
        """Upscale a batch; see the class for the passes."""
        architecture, mixture = self.architecture, self.architecture.mixture()
        self.last_mixture = mixture
        if not self.training:
            return self.run(image_B3HW, mixture, architecture.best_widths())
        extremes = (architecture.extreme_widths(True), architecture.extreme_widths(False))
        passes = (architecture.sampled_widths(), *extremes)
        return torch.cat([self.run(image_B3HW, mixture, widths_CIW) for widths_CIW in passes])

    def run(self, image_B3HW: Tensor, mixture: Mixture, widths_CIW: Tensor) -> Tensor:
        """One pass with given weights of all choices and one-hot widths."""
        return self.frame(image_B3HW, _Pass(self, mixture, widths_CIW).body)

    def weights(self) -> list[nn.Parameter]:
        """All parameters but those of the architecture."""
        searched = {id(parameter) for parameter in self.architecture.parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in searched]

    def derive(self) -> Searched:
        """The network that a radius of 1 leaves, with its weights: the same output in evaluation."""
        genotype = self.architecture.genotype()
        derived = Searched(genotype)
        derived.frame.load_state_dict(self.frame.state_dict())
        node = self.space.tree.nodes[int(self.architecture.mixture(1.0).nodes_N.argmax())]
        blocks = [self._block(index) for index in self._lineage(node.index)]
        wide = [*(self.cells[number] for number in range(self.space.fixed_cells)), *blocks[1:]]
        _inherit_blocks(genotype, derived, wide)
        return derived

    def _lineage(self, index: int) -> list[int]:
        """Indices from the root to a node."""
        parent = self.space.tree.nodes[index].parent
        return [index] if parent is None else [*self._lineage(parent), index]

    def _block(self, index: int) -> nn.Module:
        node = self.space.tree.nodes[index]
        if node.up is not None:
            return self.ups[node.up]
        return self.cells[node.cells[-1]] if node.cells else nn.Identity()


class _Pass:
    """One forward pass: the body of the frame."""

    def __init__(self, supernet: Supernet, mixture: Mixture, widths_CIW: Tensor) -> None:
        self.net, self.space, self.tree = supernet, supernet.space, supernet.space.tree
        self.mixture = mixture
        self.widths_CIW = widths_CIW
        self.width_indices: list[list[int]] = widths_CIW.detach().argmax(-1).tolist()
        self.needed = needed_nodes(self.space, mixture.node_weights)

    def body(self, feat_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) -> the weighted sum of all nodes' features."""
        for cell in range(self.space.fixed_cells):
            feat_BCHW = self._cell(cell, feat_BCHW)
        return torch.stack(self._weighted(0, feat_BCHW)).sum(0)

    def _weighted(self, index: int, feat_BCHW: Tensor) -> list[Tensor]:
        """Weighted features of a node and all its descendants."""
        parts = [self.mixture.nodes_N[index] * feat_BCHW] if self.mixture.node_weights[index] > 0 else []
        for child in self.tree.children(index):
            if self.needed[child.index]:
                parts += self._weighted(child.index, self._block(child, feat_BCHW))
        return parts

    def _block(self, node: Node, feat_BCHW: Tensor) -> Tensor:
        """A node's own block."""
        if node.up is not None:
            return self.net.ups[node.up](feat_BCHW)
        return self._cell(node.cells[-1], feat_BCHW)

    def _cell(self, cell: int, feat_BCHW: Tensor) -> Tensor:
        branch_BCHW = feat_BCHW
        for place in range(self.space.operations_per_cell):
            branch_BCHW = self._place(cell, place, branch_BCHW)
        gain = self.space.rule.gain
        return feat_BCHW + (branch_BCHW if gain == 1 else gain * branch_BCHW)

    def _place(self, cell: int, place: int, feat_BCHW: Tensor) -> Tensor:
        """The mixed operation of a place."""
        is_last = place == self.space.operations_per_cell - 1
        c_out = self.space.channels if is_last else self.space.widths[self.width_indices[cell][place]]
        candidates = cast(nn.ModuleList, self.net.cells[cell])[place]
        parts: list[Tensor] = []
        for index, name in enumerate(self.space.candidates[place]):
            if self.mixture.operation_weights[place][cell][index] > 0:
                weight = self.mixture.operations[place][cell, index] * self._chosen_widths(cell, place)
                operation = cast(nn.ModuleDict, candidates)[name]
                parts.append(weight * run_slimmed(name, operation, feat_BCHW, c_out))
        return torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]

    def _chosen_widths(self, cell: int, place: int) -> Tensor | float:
        """Product of the one-hot entries of the widths around a place: 1, but it leads gradients to the logits."""
        product: Tensor | float = 1.0
        for inner in (place - 1, place):
            if 0 <= inner < self.space.operations_per_cell - 1:
                product = product * self.widths_CIW[cell, inner, self.width_indices[cell][inner]]
        return product


def needed_nodes(space: Space, node_weights: list[float]) -> list[bool]:
    """For every node whether its block must be computed: it or a descendant has a weight above zero."""
    needed = [weight > 0 for weight in node_weights]
    for node in reversed(space.tree.nodes):  # children come after their parents
        if node.parent is not None:
            needed[node.parent] = needed[node.parent] or needed[node.index]
    return needed


def _full_cell(space: Space) -> nn.ModuleList:
    """All candidates of a cell at full width."""
    largest = [max(space.widths_at(place)) for place in range(space.operations_per_cell + 1)]
    return nn.ModuleList(
        nn.ModuleDict({name: widest(name, largest[place], largest[place + 1]) for name in names})
        for place, names in enumerate(space.candidates)
    )


def _inherit_blocks(genotype: Genotype, derived: Searched, wide: list[nn.Module]) -> None:
    cells = iter(genotype.cells)
    for narrow, block in zip(derived.body, wide, strict=True):
        if not isinstance(block, nn.ModuleList):
            narrow.load_state_dict(block.state_dict())
            continue
        operations = cast(nn.Sequential, narrow.operations)
        for operation, name, candidates in zip(operations, next(cells).operations, block, strict=True):
            inherit(operation, cast(nn.ModuleDict, candidates)[name])
