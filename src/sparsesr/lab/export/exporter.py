"""``export``: an evaluation-mode network to a model file, by tracing it with torch.fx."""

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
from sparsesr.lab.export.lowering_rules import FUNCTION_RULES, MODULE_RULES
from sparsesr.lab.export.lowering_state import IMAGE, State
from sparsesr.lab.export.multi_scale import merge_scales
from sparsesr.lab.export.picture_rules import as_picture, enlarged
from sparsesr.lab.export.values import HRPicture, LRPicture, Map, Value
from sparsesr.modelfile.operations.registry import operation_of
from sparsesr.modelfile.operations.value_types import FULL
from sparsesr.modelfile.spec import Facts, Graph, ModelFile
from sparsesr.modelfile.validation import type_graph
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

    A network with ``scales`` (several) and ``active_scale`` becomes one file that serves all of them.

    Args:
        module: the network; its weights and mode are left as they are.
        name: the model's name.
        architecture: family of the network; by default the class's name in lower case.
        license: licence of the weights.
        description: what the model is good for.
        training: how it was trained.
        check: run both on a few random pictures; then measure what bf16 costs and record it.
        fold: make one convolution of parallel ones; only to measure what that gains is it left out.

    Raises:
        ModelError: a layer or operation has no form in model files (named in the message), a weight is not
            finite, or the runtime's result differs by more than 1e-4.
    """
    with torch.no_grad(), _evaluating(module):
        graphs = {}
        for active in active_scales(module):
            scale, graph, tensors = lower_network(module, fold)
            if active not in (None, scale):
                raise ModelError(f"{type(module).__name__}: enlarges x{scale}, not x{active} as it says")
            graphs[scale] = (graph, tensors)
    scale, graph, tensors = merge_scales(graphs)
    facts = Facts(
        name=name,
        architecture=architecture or type(module).__name__.lower(),
        scale=scale,
        size_multiple=_size_multiple(graph, tensors),
        license=license,
        description=description,
        training=training or {},
        parameters=_parameters(module),
        value_range=float(getattr(getattr(module, "config", None), "value_range", 1.0)),
    )
    model = ModelFile(facts, graph, tensors)
    encode_model(facts, graph, tensors)
    if not check:
        return model
    _check(module, model)
    return _with_bf16_costs(model)


def active_scales(module: nn.Module) -> Generator[int | None]:
    """Make each scale of a network the active one in turn; None, once, for a network of one scale."""
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
    """Stops at layers that have a rule or lower themselves; looks inside all others."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """True where tracing stops."""
        return (
            hasattr(m, "lower") or type(m) in MODULE_RULES or super().is_leaf_module(m, module_qualified_name)
        )


def lower_network(module: nn.Module, fold: bool = True) -> tuple[int, Graph, Tensors]:
    """Scale, graph and tensors of a network as it is now, in evaluation mode; :func:`export` checks them, too.

    Raises:
        ModelError: as :func:`export`.
    """
    try:
        traced = _Tracer().trace(module)
    except (TraceError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(
            f"{type(module).__name__}: cannot be traced ({reason}); give the layer at fault a lower() method"
        ) from None
    modules = dict(module.named_modules())
    state, last = State(folds=fold), traced.output_node()
    values: dict[fx.Node, Any] = {
        node: LRPicture(1.0, np.zeros(3)) for node in traced.find_nodes(op="placeholder")
    }
    for node in traced.nodes:
        if node not in values and node is not last:
            values[node] = _lower_node(state, node, modules, values)
    return _finish(state, values.get(cast("fx.Node", last.args[0])))


def _result(state: State, value: object) -> HRPicture:
    picture = as_picture(state, value) or enlarged(state, value)
    if isinstance(picture, HRPicture) and picture.source is not None:
        return picture
    raise ModelError(
        "the network must end in a pixel shuffle or a convolution that gives an enlarged picture, to which a bicubic"
        " enlargement may be added"
    )


def _lower_node(
    state: State, node: fx.Node, modules: dict[str, nn.Module], values: dict[fx.Node, Any]
) -> Value:
    inputs = fx.map_arg((*node.args, *node.kwargs.values()), lambda used: values[used])
    try:
        value = _apply_rule(state, node, modules, inputs)
    except ModelError as error:
        raise ModelError(f"{_where(node, modules)}: {error}") from None
    if isinstance(value, Map):
        state.readers[value.name] = len(node.users)
    return value


def _apply_rule(state: State, node: fx.Node, modules: dict[str, nn.Module], inputs: Any) -> Value:
    module = _layer(node, modules)
    if module is not None:
        name = state.call_name(str(node.target))
        if hasattr(module, "lower"):
            lower = cast(Any, module).lower  # the protocol of lab.nn.lowering
            return Map(lower(state.build, [state.map_name(value) for value in inputs], name))
        rule = MODULE_RULES.get(type(module))
    else:
        name, rule = node.name, FUNCTION_RULES.get(node.target)
    if rule is None:
        raise ModelError("is not supported in model files; give the layer a lower() method or add a rule")
    return rule(state, module, name, inputs)


def _layer(node: fx.Node, modules: dict[str, nn.Module]) -> nn.Module | None:
    """The layer that a step of the trace calls; None for functions and methods."""
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


def _finish(state: State, value: object) -> tuple[int, Graph, Tensors]:
    """Fold the last scale and shift into the last convolution, and bring nodes into their final order."""
    result = _result(state, value)
    output = state.close(result, OUTPUT)
    state.build.hoist(state.links)
    return result.scale, *state.build.graph(IMAGE, output)


def _size_multiple(graph: Graph, tensors: Tensors) -> int:
    """What sizes must be multiples of, for maps of a fraction of the picture's size that are enlarged again."""
    typed = type_graph(graph, {name: tensor.shape for name, tensor in tensors.items()})
    enlarged = (entry.inputs[0].resolution or FULL for entry in typed if operation_of(entry.node).enlarges)
    return lcm(*(resolution.down for resolution in enlarged))


def _parameters(module: nn.Module) -> int:
    counts = getattr(module, "parameter_counts", None)
    if counts is not None:
        return int(counts()["network"])
    return sum(parameter.numel() for parameter in module.parameters())


def _with_bf16_costs(model: ModelFile) -> ModelFile:
    from sparsesr.measure.precision_cost import with_bf16_costs

    return with_bf16_costs(model)


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
