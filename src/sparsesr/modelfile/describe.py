"""Description of a model file, for people (``models show``) and programs (its ``--json``)."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

from sparsesr.modelfile import gain_table
from sparsesr.modelfile.balanced_storage import balanced_weights
from sparsesr.modelfile.json_fields import Json
from sparsesr.modelfile.operations.attributes import INT8_SCALES
from sparsesr.modelfile.operations.conv2d import balance_of
from sparsesr.modelfile.operations.registry import mask_names, mask_of, operation_of
from sparsesr.modelfile.precision_cost import REDUCED_PRECISIONS, key_of
from sparsesr.modelfile.spec import Graph, ModelFile


def describe(model: ModelFile) -> dict[str, Json]:
    """Return all facts of a model and a summary of its graph.

    Keys: those of :class:`sparsesr.modelfile.spec.Facts`, with tables of gains in brief; ``scales``; ``nodes``
    (count) and ``ops`` (count of each); ``weights`` (stored numbers); ``masks`` (names of the mask tensors);
    ``masked_layers`` (dense and total channels by layer); ``balanced_layers`` (weights kept and inputs of a block
    by layer). Costs and receptive field need an image's size or the runtime: see ``sparsesr.runtime``.
    """
    about: dict[str, Json] = asdict(model.facts)
    for precision in REDUCED_PRECISIONS:
        about[key_of(precision)] = [asdict(cost) for cost in model.facts.costs(precision)]
    about[gain_table.KEY] = [
        {"scale": table.scale, "efforts": len(table.efforts), "measured_on": table.measured_on}
        for table in model.facts.gain_tables
    ]
    about["int8_layers"] = int8_layers(model.graph)
    about["scales"] = list(model.scales)
    about["nodes"] = len(model.graph.nodes)
    about["ops"] = {**Counter(node.op for node in model.graph.nodes)}
    about["weights"] = _stored_numbers(model)
    about["masks"] = list[Json](mask_names(model.graph))
    about["masked_layers"] = _masked_layers(model)
    about["balanced_layers"] = _balanced_layers(model)
    return about


def int8_layers(graph: Graph) -> int:
    """Number of layers that have scales for int8."""
    return sum(bool(INT8_SCALES.of(node)) for node in graph.nodes)


def _stored_numbers(model: ModelFile) -> int:
    kept = {name: pattern.density for name, (pattern, _) in balanced_weights(model.graph).items()}
    return sum(round(tensor.size * kept.get(name, 1)) for name, tensor in model.tensors.items())


def _balanced_layers(model: ModelFile) -> dict[str, Json]:
    patterns = {node.name: balance_of(node) for node in model.graph.nodes}
    return {
        name: {"keep": pattern.keep, "block": pattern.block, "density": pattern.density}
        for name, pattern in patterns.items()
        if pattern is not None
    }


def _masked_layers(model: ModelFile) -> dict[str, Json]:
    layers: dict[str, Json] = {}
    for node in model.graph.nodes:
        masking = operation_of(node).masking
        if masking is not None:
            channels = model.tensors[node.weights["weight"]].shape[0]
            layers[node.name] = {
                "dense": masking.dense_out(node),
                "channels": channels,
                "mask": mask_of(node),
            }
    return layers
