"""Order constraint on paths: losses that favour shorter networks (the "sorting" of TrilevelNAS).

The paper's formula could not be read. ``telescoped`` is the loss of the published code; ``hinge`` is the project's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from sparsesr.lab.search.architecture import Architecture, Mixture


def telescoped(architecture: Architecture, mixture: Mixture) -> Tensor:
    """Sum of ``logit - logit of the parent`` along every whole path: only leaves and root get a gradient."""
    logits, tree = architecture.node_logits, architecture.space.tree
    leaves = [leaf.index for leaf in tree.leaves]
    return (logits[leaves] - logits[0]).sum()


def hinge(architecture: Architecture, mixture: Mixture) -> Tensor:
    """Sum over the tree's edges of what a node weighs more than its parent; both must be whole networks."""
    legal = set(architecture.legal)
    edges = [(up, down) for up, down in architecture.space.tree.edges if up in legal and down in legal]
    if not edges:
        return mixture.nodes_N.sum() * 0
    parents, children = (list(ends) for ends in zip(*edges, strict=True))
    return torch.relu(mixture.nodes_N[children] - mixture.nodes_N[parents]).sum()


ORDERS: Mapping[str, Callable[[Architecture, Mixture], Tensor]] = {"hinge": hinge, "telescoped": telescoped}
