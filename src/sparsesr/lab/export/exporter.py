"""Exporter: turns an evaluation-mode network into a model file by tracing it with torch.fx."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from math import lcm
from typing import Any, cast

import numpy as np
import torch
from torch import fx, nn
from torch.fx.proxy import TraceError

from sparsesr.errors import ModelError
from sparsesr.lab.export.balanced_layers import declare_balanced
from sparsesr.lab.export.image_rules import as_image, as_upscaled
from sparsesr.lab.export.lowering_rules import FUNCTION_RULES, MODULE_RULES
from sparsesr.lab.export.lowering_state import IMAGE, LoweringState
from sparsesr.lab.export.multi_scale import merge_scales
from sparsesr.lab.export.values import FeatureMap, HRImage, LRImage, Value
from sparsesr.lab.nn.network import is_classifier
from sparsesr.modelfile.operations.registry import operation_of
from sparsesr.modelfile.operations.value_types import FULL
from sparsesr.modelfile.spec import Facts, Graph, ModelFile
from sparsesr.modelfile.validation import typed_nodes
from sparsesr.modelfile.writer import encode_model

OUTPUT = "output"
Tensors = dict[str, Any]
PARITY_TOLERANCE = 1e-4


def export(
    module: nn.Module,
    name: str,
    *,
    architecture: str | None = None,
    license: str = "unknown",
    description: str = "",
    training: dict[str, Any] | None = None,
    check: bool = True,
    fold: bool = True,
) -> ModelFile:
    """Turn a network (input and output (B, 3, H, W) in 0..1) into a model file, and check that both agree.

    A network with several ``scales`` and an ``active_scale`` becomes one file for all of them.

    Args:
        module: the network; its weights and mode are not changed.
        name: model name.
        architecture: family of the network; default: class name in lower case.
        license: licence of the weights.
        description: purpose of the model.
        training: description of the training.
        check: compare network and model file on a few random images, then measure and record the cost of bf16.
        fold: merge parallel convolutions into one; False only to measure the gain.

    Raises:
        ModelError: the network is a classifier, a layer or operation (named in the message) is not supported in model
            files, a weight is not finite, or the runtime's result differs by more than 1e-4.
    """
    if is_classifier(module):
        raise ModelError(
            f"{name}: is a classifier; model files hold networks that enlarge images",
            remedy="use the checkpoint with `sparsesr classify`",
        )
    with torch.no_grad(), _evaluating(module):
        graphs = {}
        for active in active_scales(module):
            scale, graph, tensors = lower_network(module, fold)
            if active not in (None, scale):
                raise ModelError(f"{type(module).__name__}: upscales x{scale}, but active_scale is {active}")
            graphs[scale] = (graph, tensors)
    scale, graph, tensors = merge_scales(graphs)
    graph = declare_balanced(graph, tensors)
    facts = Facts(
        name=name,
        architecture=architecture or type(module).__name__.lower(),
        scale=scale,
        size_multiple=_size_multiple(graph, tensors),
        license=license,
        description=description,
        training={**(training or {}), **getattr(module, "training_facts", {})},
        parameters=_parameters(module),
        value_range=float(getattr(getattr(module, "config", None), "value_range", 1.0)),
    )
    model = ModelFile(facts, graph, tensors)
    encode_model(facts, graph, tensors)
    if not check:
        return model
    _check(module, model)
    return _measured(model)


def active_scales(module: nn.Module) -> Generator[int | None]:
    """Activate each scale of a network in turn and yield it; yields None once for a network with one scale."""
    scales: tuple[int, ...] = getattr(module, "scales", ())
    if len(scales) < 2:
        yield None
        return
    several = cast(Any, module)
    active = several.active_scale
    try:
        for scale in scales:
            several.active_scale = scale
            yield scale
    finally:
        several.active_scale = active


@contextmanager
def _evaluating(module: nn.Module) -> Generator[None]:
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode


class _Tracer(fx.Tracer):
    """Stops at layers that have a rule or lower themselves, and traces into all others."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """True where tracing stops."""
        return (
            hasattr(m, "lower") or type(m) in MODULE_RULES or super().is_leaf_module(m, module_qualified_name)
        )


def lower_network(module: nn.Module, fold: bool = True) -> tuple[int, Graph, Tensors]:
    """Scale, graph and tensors of a network in its current state, which must be evaluation mode; unchecked.

    Raises:
        ModelError: as :func:`export`.
    """
    try:
        traced = _Tracer().trace(module)
    except (TraceError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(
            f"{type(module).__name__}: cannot be traced ({reason}); give the failing layer a lower() method"
        ) from None
    modules = dict(module.named_modules())
    state, last = LoweringState(folds=fold), traced.output_node()
    values: dict[fx.Node, Any] = {
        node: LRImage(1.0, np.zeros(3)) for node in traced.find_nodes(op="placeholder")
    }
    for node in traced.nodes:
        if node not in values and node is not last:
            values[node] = _lower_node(state, node, modules, values)
    return _finish(state, values.get(cast("fx.Node", last.args[0])))


def _result(state: LoweringState, value: object) -> HRImage:
    image = as_image(state, value) or as_upscaled(state, value)
    if isinstance(image, HRImage) and image.source is not None:
        return image
    raise ModelError(
        "the network must end in a pixel shuffle or a convolution that yields an upscaled image, to which a bicubic"
        " upscaling may be added"
    )


def _lower_node(
    state: LoweringState, node: fx.Node, modules: dict[str, nn.Module], values: dict[fx.Node, Any]
) -> Value:
    inputs = fx.map_arg((*node.args, *node.kwargs.values()), lambda used: values[used])
    try:
        value = _apply_rule(state, node, modules, inputs)
    except ModelError as error:
        raise ModelError(f"{_where(node, modules)}: {error}") from None
    if isinstance(value, FeatureMap):
        # A rule that returns its input adds readers to those that the map has beside this node.
        state.readers[value.name] = state.readers.get(value.name, 1) - 1 + len(node.users)
    return value


def _apply_rule(state: LoweringState, node: fx.Node, modules: dict[str, nn.Module], inputs: Any) -> Value:
    module = _layer(node, modules)
    if module is not None:
        name = state.call_name(str(node.target))
        if hasattr(module, "lower"):
            lower = cast(Any, module).lower  # the protocol of lab.nn.lowering
            return FeatureMap(lower(state.build, [state.map_name(value) for value in inputs], name))
        rule = MODULE_RULES.get(type(module))
    else:
        name, rule = node.name, FUNCTION_RULES.get(node.target)
    if rule is None:
        raise ModelError("is not supported in model files; give the layer a lower() method or add a rule")
    return rule(state, module, name, inputs)


def _layer(node: fx.Node, modules: dict[str, nn.Module]) -> nn.Module | None:
    """The layer called by a traced node; None for functions and methods."""
    match node.op:
        case "call_module":
            return modules[str(node.target)]
        case _:
            return None


def _where(node: fx.Node, modules: dict[str, nn.Module]) -> str:
    layer = _layer(node, modules)
    if layer is not None:
        return f"{node.target} ({type(layer).__name__})"
    function = getattr(node.target, "__name__", str(node.target))
    around = list((node.meta.get("nn_module_stack") or {}).values())
    return f"{function} in {around[-1][0] or 'the network'}" if around else function


def _finish(state: LoweringState, value: object) -> tuple[int, Graph, Tensors]:
    """Fold the final factor and shift into the last convolution, and put nodes into their final order."""
    result = _result(state, value)
    output = state.close(result, OUTPUT)
    state.build.hoist(state.links)
    return result.scale, *state.build.graph(IMAGE, output)


def _size_multiple(graph: Graph, tensors: Tensors) -> int:
    """Multiple that image sizes must have, because of maps at a fraction of the size that are upscaled again."""
    typed = typed_nodes(graph, tensors)
    upscaled = (entry.inputs[0].resolution or FULL for entry in typed if operation_of(entry.node).upscales)
    return lcm(*(resolution.down for resolution in upscaled))


def _parameters(module: nn.Module) -> int:
    counts = getattr(module, "parameter_counts", None)
    if counts is not None:
        return int(counts()["network"])
    return sum(parameter.numel() for parameter in module.parameters())


def _measured(model: ModelFile) -> ModelFile:
    """The model with scales for int8, if any layer can use them, and with the costs of reduced precisions."""
    from sparsesr.measure.calibration import quantisable_layers, with_int8_scales
    from sparsesr.measure.precision_cost import with_costs

    return with_costs(with_int8_scales(model) if quantisable_layers(model) else model)


def _check(module: nn.Module, model: ModelFile) -> None:
    from sparsesr.lab.export.parity import check_parity

    random = np.random.default_rng(0)
    sizes = ((24, 20), (17, 23))
    images = [random.random((height, width, 3), dtype=np.float32) for height, width in sizes]
    for scale in active_scales(module):
        report = check_parity(module, model.at_scale(scale), images)
        if not report.max_abs_same_masks <= PARITY_TOLERANCE:
            raise ModelError(
                f"{model.facts.name}: the exported model differs from the network by"
                f" {report.max_abs_same_masks:.2e}, more than {PARITY_TOLERANCE:g}; this is a bug of the exporter"
            )
