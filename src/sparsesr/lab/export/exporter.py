"""``export``: an evaluation-mode network to a model file, by tracing it with torch.fx."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from torch import fx, nn
from torch.fx.proxy import TraceError

from sparsesr.errors import ModelError
from sparsesr.lab.export.lowering_rules import FUNCTION_RULES, MODULE_RULES, State
from sparsesr.lab.export.values import HRPicture, LRPicture, Map, Value
from sparsesr.modelfile.spec import Facts, Graph, ModelFile
from sparsesr.modelfile.writer import encode_model

OUTPUT = "output"
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
) -> ModelFile:
    """Turn a network (input and output (B, 3, H, W) in 0..1) into a model file, and check that both agree.

    Args:
        module: the network; its weights and mode are left as they are.
        name: the model's name.
        architecture: family of the network; by default the class's name in lower case.
        license: licence of the weights.
        description: what the model is good for.
        training: how it was trained.
        check: run both on a few random pictures.

    Raises:
        ModelError: a layer or operation has no form in model files (named in the message), a weight is not
            finite, or the runtime's result differs by more than 1e-4.
    """
    with torch.no_grad(), _evaluating(module):
        state, result = _lower(module)
        graph, tensors = _finish(state, result)
    facts = Facts(
        name=name,
        architecture=architecture or type(module).__name__.lower(),
        scale=result.scale,
        size_multiple=2 if any(node.op == "conv_transpose2x" for node in graph.nodes) else 1,
        license=license,
        description=description,
        training=training or {},
        parameters=_parameters(module),
        value_range=float(getattr(getattr(module, "config", None), "value_range", 1.0)),
    )
    model = ModelFile(facts, graph, tensors)
    encode_model(facts, graph, tensors)
    if check:
        _check(module, model)
    return model


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


def _lower(module: nn.Module) -> tuple[State, HRPicture]:
    try:
        traced = _Tracer().trace(module)
    except (TraceError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(
            f"{type(module).__name__}: cannot be traced ({reason}); give the layer at fault a lower() method"
        ) from None
    modules = dict(module.named_modules())
    state, values = State(), dict[fx.Node, Any]()
    for node in traced.nodes:
        if node.op == "output":
            return state, _result(values.get(node.args[0]))
        values[node] = _lower_node(state, node, modules, values)
    raise ModelError(f"{type(module).__name__}: has no output")


def _result(value: object) -> HRPicture:
    if isinstance(value, HRPicture) and value.shuffled is not None:
        return value
    raise ModelError("the network must end in a pixel shuffle, to which a bicubic enlargement may be added")


def _lower_node(
    state: State, node: fx.Node, modules: dict[str, nn.Module], values: dict[fx.Node, Any]
) -> Value:
    if node.op == "placeholder":
        return LRPicture(1.0, np.zeros(3))
    inputs = fx.map_arg((*node.args, *node.kwargs.values()), lambda used: values[used])
    try:
        value = _apply_rule(state, node, modules, inputs)
    except ModelError as error:
        raise ModelError(f"{_where(node, modules)}: {error}") from None
    if isinstance(value, Map):
        state.readers[value.name] = len(node.users)
    return value


def _apply_rule(state: State, node: fx.Node, modules: dict[str, nn.Module], inputs: Any) -> Value:
    if node.op == "call_module":
        module, name = modules[str(node.target)], str(node.target)
        if hasattr(module, "lower"):
            lower = cast(Any, module).lower  # the protocol of lab.nn.lowering
            return Map(lower(state.build, [state.map_name(value) for value in inputs], name))
        rule = MODULE_RULES.get(type(module))
    else:
        module, name, rule = None, node.name, FUNCTION_RULES.get(node.target)
    if rule is None:
        raise ModelError("is not supported in model files; give the layer a lower() method or add a rule")
    return rule(state, module, name, inputs)


def _where(node: fx.Node, modules: dict[str, nn.Module]) -> str:
    if node.op == "call_module":
        return f"{node.target} ({type(modules[str(node.target)]).__name__})"
    function = getattr(node.target, "__name__", str(node.target))
    around = list((node.meta.get("nn_module_stack") or {}).values())
    return f"{function} in {around[-1][0] or 'the network'}" if around else function


def _finish(state: State, result: HRPicture) -> tuple[Graph, dict[str, Any]]:
    """Fold the last scale and shift into the last convolution, and bring nodes into their final order."""
    build, shuffled = state.build, str(result.shuffled)
    if result.skip is not None and abs(result.skip_factor - 1) > 1e-6:
        raise ModelError(f"the enlarged input is added {result.skip_factor:g} times; it must be added once")
    node = build.node(shuffled)
    if node.attrs.get("activation", "none") != "none" or node.attrs.get("residual"):
        raise ModelError(f"{shuffled}: nothing may stand between the last convolution and the pixel shuffle")
    build.scale_conv(shuffled, result.factor, np.repeat(result.shift, result.scale**2))
    inputs = [shuffled] if result.skip is None else [shuffled, result.skip]
    build.add("pixel_shuffle", inputs, OUTPUT, scale=result.scale)
    build.hoist(state.links)
    return build.graph("image", OUTPUT)


def _parameters(module: nn.Module) -> int:
    counts = getattr(module, "parameter_counts", None)
    if counts is not None:
        return int(counts()["network"])
    return sum(parameter.numel() for parameter in module.parameters())


def _check(module: nn.Module, model: ModelFile) -> None:
    from sparsesr.lab.evaluate.parity import check_parity

    random = np.random.default_rng(0)
    sizes = ((24, 20), (17, 23))
    images = [random.random((height, width, 3), dtype=np.float32) for height, width in sizes]
    report = check_parity(module, model, images)
    if not report.max_abs_same_masks <= PARITY_TOLERANCE:
        raise ModelError(
            f"{model.facts.name}: the exported model differs from the network by"
            f" {report.max_abs_same_masks:.2e}, more than {PARITY_TOLERANCE:g}; this is a bug of the exporter"
        )
