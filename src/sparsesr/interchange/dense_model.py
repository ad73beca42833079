"""Leanest dense form of a network: the input of dense runtimes, and the baseline for skipping.

All pixels are computed in full, without masks and mask heads. Chains of accumulating 1x1 convolutions, which suit the
native runtime, become one convolution of the concatenation.
"""

from __future__ import annotations

from dataclasses import replace

from sparsesr.modelfile.spec import Graph, ModelFile
from sparsesr.modelfile.validation import typed_nodes
from sparsesr.runtime.graph.joined_sums import join_sums
from sparsesr.runtime.graph.unmasked import without_masks


def dense_model(model: ModelFile) -> ModelFile:
    """Return the model with every pixel active: the same function as ``Session.run(dense=True)``.

    Raises:
        ModelError: the graph is not valid.
    """
    typed = without_masks(typed_nodes(model.graph, model.tensors), model.graph.output)
    nodes, tensors = join_sums([entry.node for entry in typed], model.tensors)
    used = {name for node in nodes for name in node.weights.values()}
    graph = Graph(model.graph.input, model.graph.output, nodes)
    return replace(model, graph=graph, tensors={name: tensors[name] for name in sorted(used)})
