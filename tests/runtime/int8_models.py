"""Models with scales for int8, for every layer that can run in it, whether that is worth it or not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from runtime.random_graphs import random_image
from sparsesr.measure.observed_maps import observe
from sparsesr.modelfile.operations.attributes import INT8_SCALES
from sparsesr.modelfile.operations.registry import feature_inputs, operation_of
from sparsesr.modelfile.operations.shared_rules import int8_obstacle
from sparsesr.modelfile.spec import ModelFile, Node
from sparsesr.runtime.graph.prepared import prepare
from sparsesr.runtime.graph.quantised import is_positive


def with_int8(model: ModelFile) -> ModelFile:
    """The model with scales that just fit the values of a random image."""
    masked, _ = prepare(model)
    able: set[str] = set()
    names: set[str] = set()
    for entry in masked.typed:
        types = dict(zip(entry.node.inputs, entry.inputs, strict=True))
        features = feature_inputs(entry.node)
        supported = INT8_SCALES in operation_of(entry.node).attrs
        if supported and int8_obstacle(entry.node, [types[name] for name in features]) is None:
            able.add(entry.node.name)
            names.update(features)
    images = [random_image(20, 24, seed=7)]
    sparse, dense = (observe(model, images, names, 1, dense=all_pixels) for all_pixels in (False, True))
    positive = {entry.node.output for entry in masked.typed if is_positive(entry.node)}
    scales = {
        name: float(max(np.abs(values).max(initial=0), 1e-3)) / (255 if name in positive else 127)
        for name in names
        for values in [np.append(sparse.get(name, []), dense.get(name, []))]
    }

    def scaled(node: Node) -> Node:
        if node.name not in able:
            return node
        own = [scales[name] for name in feature_inputs(node)]
        return replace(node, attrs={**node.attrs, INT8_SCALES.name: own})

    return replace(model, graph=replace(model.graph, nodes=tuple(map(scaled, model.graph.nodes))))
