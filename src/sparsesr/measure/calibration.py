"""Calibration for int8: the scale of every map that convolutions multiply, from a few photographs.

A scale decides what saturates and how finely the rest is rounded. Candidates for all maps come from one rule each:
either a percentile of the map's magnitudes just fits, or the scale with the least squared error of the map's values is
taken. The rule whose results are closest to those of fp32 wins; on a processor without int8 instructions, where that
comparison would take very long, least squares do.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sparsesr.errors import UsageError
from sparsesr.measure.observed_maps import observe
from sparsesr.measure.precision_cost import PHOTOGRAPHS, only_set
from sparsesr.measure.protocol import load_pairs
from sparsesr.modelfile.operations.attributes import ACCUMULATE, INT8_SCALES
from sparsesr.modelfile.operations.registry import feature_inputs, operation_of
from sparsesr.modelfile.operations.shared_rules import int8_obstacle
from sparsesr.modelfile.operations.value_types import TypedNode
from sparsesr.modelfile.spec import ModelFile, Node
from sparsesr.modelfile.validation import typed_nodes
from sparsesr.runtime.backend.interface import F32, Image
from sparsesr.runtime.graph.cost import count_macs
from sparsesr.runtime.graph.prepared import prepare
from sparsesr.runtime.graph.quantised import LARGEST_SIGNED, LARGEST_UNSIGNED, is_positive
from sparsesr.runtime.precision import has_instructions
from sparsesr.runtime.session import Session

PERCENTILES = (99.9, 99.99, 99.999, 100.0)
LEAST_SQUARES = "least squares"
_CLIP_SHARES = np.geomspace(0.05, 1, 40)
"""Fractions of the largest magnitude that may just fit."""

_LEAST_SHARE = 0.005
"""Fraction of a network's multiply-adds from which a layer is worth it."""
_COUNTED_AT = (64, 64)

Scales = Mapping[str, float]


@dataclass(frozen=True)
class Calibration:
    """Scales by map, and how they were found."""

    scales: Scales
    rule: str
    """The percentile that fits, or `LEAST_SQUARES`."""
    error: float
    """Mean squared difference between int8 and fp32 results (0..1) on the images."""


def with_int8_scales(
    model: ModelFile, data: Path = PHOTOGRAPHS, threads: int | None = None, noise_sigma: float = 0.0
) -> ModelFile:
    """Return the model with scales for every convolution that can run in int8, without records of what int8 costs.

    Args:
        model: the model; scales that it has already are replaced.
        data: folder of HR images, one set, laid out as :func:`find_sets` expects; only their LR images matter.
        threads: threads of the runtime; None: all processors.
        noise_sigma: standard deviation (of 255) of noise added to the LR images, for a model that removes it.

    Raises:
        UsageError: no layer of the model can run in int8.
        InputError: there are several sets or none, or an image cannot be read or is too small.
    """
    layers = quantisable_layers(model)
    if not layers:
        raise UsageError(f"{model.facts.name} has no layer that can run in int8", remedy="use fp32 or bf16")
    images = {scale: _lr_images(model.at_scale(scale), data, noise_sigma) for scale in model.scales}
    found = calibrate(model, images, threads)
    facts = replace(model.facts, int8_costs=())
    return replace(with_scales(model, found.scales), facts=facts)


def calibrate(
    model: ModelFile, images: Mapping[int, Sequence[Image]], threads: int | None = None
) -> Calibration:
    """Find the scales of all maps.

    Args:
        model: the model.
        images: LR images for each of its scales.
        threads: threads of the runtime; None: all processors.
    """
    plain = with_scales(model, {})
    names = {name for node in quantisable_layers(model) for name in feature_inputs(node)}
    found_values: dict[str, list[F32]] = defaultdict(list)
    largest: dict[str, int] = {}
    for scale, some in images.items():
        for name, values in observe(plain.at_scale(scale), some, names, threads).items():
            found_values[name].append(values)  # scales share most maps
        for entry in prepare(plain.at_scale(scale))[0].typed:
            largest[entry.node.output] = LARGEST_UNSIGNED if is_positive(entry.node) else LARGEST_SIGNED
    samples = {name: np.concatenate(parts) for name, parts in found_values.items()}
    exact = {scale: _outputs(plain.at_scale(scale), some, "fp32", threads) for scale, some in images.items()}
    found: list[Calibration] = []
    for rule in (*PERCENTILES, LEAST_SQUARES) if has_instructions("int8") else (LEAST_SQUARES,):
        scales = {name: _scale(values, largest[name], rule) for name, values in samples.items()}
        quantised = with_scales(model, scales)
        errors = [
            _mean_square(exact[scale], _outputs(quantised.at_scale(scale), some, "int8", threads))
            for scale, some in images.items()
        ]
        found.append(Calibration(scales, str(rule), float(np.mean(errors))))
    return min(found, key=lambda calibration: calibration.error)


def quantisable_layers(model: ModelFile) -> list[Node]:
    """The nodes that should run in int8: those that can, except where that would cost quality and gain no time.

    A layer whose result is about to become an image would write its rounding error into it. Layers with few of the
    network's multiply-adds, such as the end of a mask head, stay exact for nothing. A sum over several layers is one.
    """
    typed = typed_nodes(model.graph, model.tensors)
    to_image = {name for e in typed if operation_of(e.node).upscales for name in e.node.inputs}
    macs = {cost.output: cost.macs_dense for cost in count_macs(model, *_COUNTED_AT, typed=typed).nodes}
    least = _LEAST_SHARE * sum(macs.values())
    sums = _sums(typed)
    of_sum = Counter[str]()
    for output, first in sums.items():
        of_sum[first] += macs[output]
    return [
        entry.node
        for entry in typed
        if _can_run(entry) and entry.node.output not in to_image and of_sum[sums[entry.node.output]] >= least
    ]


def _sums(typed: Sequence[TypedNode]) -> dict[str, str]:
    """By a node's output, the output of the first node of its sum: of the node itself unless it accumulates."""
    sums: dict[str, str] = {}
    for entry in typed:
        node = entry.node
        sums[node.output] = sums[node.inputs[-1]] if ACCUMULATE.of(node) else node.output
    return sums


def _can_run(entry: TypedNode) -> bool:
    node, types = entry.node, dict(zip(entry.node.inputs, entry.inputs, strict=True))
    if INT8_SCALES not in operation_of(node).attrs:
        return False
    return int8_obstacle(node, [types[name] for name in feature_inputs(node)]) is None


def with_scales(model: ModelFile, scales: Scales) -> ModelFile:
    """Return the model with these scales, and none where a map of a layer has no scale."""
    able = {node.output for node in quantisable_layers(model)} if scales else set[str]()
    nodes = tuple(_scaled(node, scales if node.output in able else {}) for node in model.graph.nodes)
    return replace(model, graph=replace(model.graph, nodes=nodes))


def _scaled(node: Node, scales: Scales) -> Node:
    attrs = {key: value for key, value in node.attrs.items() if key != INT8_SCALES.name}
    features = feature_inputs(node)
    if scales and all(name in scales for name in features):
        attrs[INT8_SCALES.name] = [scales[name] for name in features]
    return replace(node, attrs=attrs)


def _scale(values: F32, largest: int, rule: float | str) -> float:
    """The scale of a map whose magnitudes are at most `largest` steps, by one rule."""
    magnitudes = np.abs(values)
    top = float(magnitudes.max(initial=0.0))
    if top == 0:
        return 1.0 / largest
    if not isinstance(rule, str):
        fitting = float(np.percentile(magnitudes, rule))
        return _stored((fitting or top) / largest)
    scales = [share * top / largest for share in _CLIP_SHARES]
    errors = [_rounding_error(values, scale, largest) for scale in scales]
    return _stored(scales[int(np.argmin(errors))])


def _stored(scale: float) -> float:
    """Rounded to the digits that matter."""
    return float(f"{max(scale, 1e-9):.5g}")


def _rounding_error(values: F32, scale: float, largest: int) -> float:
    steps = np.rint(values * np.float32(1 / scale))
    return float(np.mean(np.square(np.clip(steps, -largest, largest) * np.float32(scale) - values)))


def _lr_images(model: ModelFile, data: Path, noise_sigma: float) -> list[Image]:
    facts = model.facts
    pairs = load_pairs(only_set(data, facts.scale), facts.scale, facts.size_multiple, noise_sigma)
    return [pair.lr for _, pair in pairs]


def _outputs(model: ModelFile, images: Sequence[Image], precision: str, threads: int | None) -> list[F32]:
    session = Session(model, threads, precision, emulate=True)
    return [session.run(image, out_dtype=np.float32).image.astype(np.float32) for image in images]


def _mean_square(one: Sequence[F32], other: Sequence[F32]) -> float:
    return float(np.mean([np.mean(np.square(a - b)) for a, b in zip(one, other, strict=True)]))
