"""Entry of an operation, and the check of a node against it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sparsesr.errors import ModelError
from sparsesr.modelfile.json_fields import shown
from sparsesr.modelfile.operations import shared_rules
from sparsesr.modelfile.operations.attributes import AnyAttr
from sparsesr.modelfile.operations.facts import (
    FP32_ONLY,
    InputSpec,
    Macs,
    Masking,
    NumberTypes,
    Rows,
    Sizes,
    WeightRole,
)
from sparsesr.modelfile.operations.value_types import Kind, TypedNode, ValueType
from sparsesr.modelfile.spec import Node


@dataclass(frozen=True)
class Operation:
    """Every fact about an operation that is not in its kernel."""

    name: str
    summary: str
    inputs: tuple[InputSpec, ...]
    infer: Callable[[Node, Sequence[ValueType], Sizes], ValueType]
    """Type of the output; raises ModelError if sizes disagree."""
    produces: Kind = Kind.MAP
    """Kind of the output."""
    attrs: tuple[AnyAttr, ...] = ()
    weights: tuple[WeightRole, ...] = ()
    bind: Callable[[Node, Sequence[ValueType]], Sizes] = shared_rules.no_sizes
    """Sizes known before weights are checked; raises ModelError if inputs or attributes disagree."""
    rows: Callable[[Node, int, int, int], Rows] = shared_rules.same_rows
    """``rows(node, a, b, i)``: rows [lo, hi) of input ``i`` that output rows [a, b) depend on, not clipped."""
    macs: Callable[[TypedNode], Macs] = shared_rules.no_macs
    features: Callable[[Node], tuple[str, ...]] = shared_rules.no_features
    """Input maps that are multiplied by weights; weights are packed for the maps' number type."""
    number_types: NumberTypes = FP32_ONLY
    masking: Masking | None = None
    """For a masked operation, whose first input is the mask."""
    mask_reach: Callable[[Node], int] | None = None
    """For an operation that depends on whether a pixel lies near an active one of its first input: within which
    distance, diagonals included."""
    in_place: Callable[[Node, int], bool] = shared_rules.never_in_place
    """``in_place(node, i)``: whether the output may overwrite input ``i``, each pixel right after it was read."""
    is_activation: Callable[[Node], bool] = shared_rules.never
    """Whether a node does nothing but apply its activation (with weights ``slopes``) to its only input."""
    is_plain_sum: Callable[[Node], bool] = shared_rules.never
    """Whether a node does nothing but add its two inputs."""
    absorbs_activation: Callable[[Node], bool] = shared_rules.never
    """Whether the activation of the next node, with weights ``slopes``, can be fused into a node."""
    absorbs_residual: Callable[[Node], bool] = shared_rules.never
    """Whether a node can add a map to its result, as its last input with the attribute ``residual``."""
    writes_results: bool = False
    """Whether a node that ends a network can write the result itself, with the attribute ``to_result``."""
    absorbs_skip: Callable[[Node, Node], bool] = shared_rules.never_absorbs
    """``absorbs_skip(node, writer)``: whether such a node can read the input of `writer` in place of its last input,
    which `writer` computes, with the attribute ``enlarges_skip``."""
    absorbs_writer: Callable[[TypedNode, TypedNode], TypedNode | None] = shared_rules.absorbs_nothing
    """``absorbs_writer(node, writer)``: a node that does the work of both, where only `node` reads what `writer`
    computes; None if there is none."""
    outside_mask: Callable[[TypedNode, str, str | None], TypedNode] | None = None
    """``outside_mask(node, mask, bias)``: the node, reading at inactive pixels of a mask the tensor `bias` (None:
    zeros) in place of its first input."""
    sees_whole_image: bool = False
    """True if output values depend on the whole image: a barrier for row-wise execution."""
    attends_across_pixels: bool = False
    """True if pixels attend to pixels, so that the work grows faster than the number of pixels."""
    upscales: bool = False
    """True if it multiplies the size of its input, whose size must then divide the image's."""
    is_eager: bool = False
    """True if it is computed as soon as its inputs are available, so that one map is kept instead of several."""

    is_by_product: bool = False
    """True if the node that computes its only input writes its output at the same time."""

    @property
    def is_source(self) -> bool:
        """True if it reads the input image and no tensors of the graph."""
        return not self.inputs

    def mask_of(self, node: Node) -> str | None:
        """Return the mask, or the set grown from one, that selects the active pixels of a node; None without one."""
        if self.mask_reach is not None:
            return f"{node.inputs[0]} within {self.mask_reach(node)}"
        return None if self.masking is None else node.inputs[0]

    def type_node(
        self, node: Node, inputs: Sequence[ValueType], shapes: Mapping[str, tuple[int, ...]]
    ) -> TypedNode:
        """Check a node completely and infer its output.

        Args:
            node: a node whose ``op`` is this operation's name.
            inputs: types of its inputs, in order.
            shapes: shape of every stored tensor.

        Raises:
            ModelError: the node is not valid; the caller adds the node's name.
        """
        self._check_inputs(inputs)
        self._check_attrs(node)
        sizes = self.bind(node, inputs)
        self._check_weights(node, shapes, sizes)
        return TypedNode(node, tuple(inputs), self.infer(node, inputs, sizes), sizes)

    def _check_inputs(self, inputs: Sequence[ValueType]) -> None:
        least = sum(not spec.optional for spec in self.inputs)
        repeats = bool(self.inputs) and self.inputs[-1].repeats
        if len(inputs) < least or (len(inputs) > len(self.inputs) and not repeats):
            raise ModelError(f"takes {self._input_words()}, got {len(inputs)} inputs")
        for index, value in enumerate(inputs):
            spec = self.inputs[min(index, len(self.inputs) - 1)]
            if not spec.accepts(value):
                raise ModelError(f"input {spec.name} cannot be a {value}")

    def _input_words(self) -> str:
        words = [f"[{spec.name}]" if spec.optional else spec.name for spec in self.inputs]
        return f"({', '.join(words)}{', ...' if self.inputs and self.inputs[-1].repeats else ''})"

    def _check_attrs(self, node: Node) -> None:
        unknown = sorted(set(node.attrs) - {spec.name for spec in self.attrs})
        if unknown:
            raise ModelError(f"has an unknown attribute {shown(unknown[0])}")
        for spec in self.attrs:
            problem = spec.problem(node)
            if problem:
                raise ModelError(f"attribute {spec.name} {problem}")

    def _check_weights(self, node: Node, shapes: Mapping[str, tuple[int, ...]], sizes: Sizes) -> None:
        unknown = sorted(set(node.weights) - {role.name for role in self.weights})
        if unknown:
            raise ModelError(f"has an unknown weight role {shown(unknown[0])}")
        for role in self.weights:
            tensor = node.weights.get(role.name)
            if tensor is None:
                if not role.optional:
                    raise ModelError(f"weight role {role.name} is missing")
            elif tensor not in shapes:
                raise ModelError(f"tensor {shown(tensor)} ({role.name}) is not in the file")
            else:
                _bind_shape(role, shapes[tensor], sizes)


def _bind_shape(role: WeightRole, actual: tuple[int, ...], sizes: Sizes) -> None:
    """Match a tensor's shape with the role's, binding symbols that have no value yet."""
    wanted = [sizes.get(dim, dim) if isinstance(dim, str) else dim for dim in role.shape]
    fits = len(role.shape) == len(actual) and all(
        size > 0 and size == (sizes.setdefault(dim, size) if isinstance(dim, str) else dim)
        for dim, size in zip(role.shape, actual, strict=True)
    )
    if not fits:
        raise ModelError(f"{role.name} has shape {list(actual)}, expected [{', '.join(map(str, wanted))}]")
