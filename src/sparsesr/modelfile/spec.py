"""Contents of a model file: facts about the model, and the network as a list of nodes.

The dataclasses are plain data; :mod:`sparsesr.modelfile.operations` defines which nodes are valid. They are
stored as JSON ``{"format": ..., "facts": {...}, "graph": {...}}`` under the key ``sparsesr`` of a
``.safetensors`` file's metadata.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from sparsesr.modelfile import gain_table, precision_cost
from sparsesr.modelfile import json_fields as fields
from sparsesr.modelfile.gain_table import GainTable
from sparsesr.modelfile.precision_cost import REDUCED_PRECISIONS, PrecisionCost

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from sparsesr.modelfile.json_fields import Json

METADATA_KEY = "sparsesr"
FORMAT_VERSION = 2
_FORMAT_WITHOUT_BALANCED_WEIGHTS = 1

Attr: TypeAlias = "int | float | str | bool | list[int] | list[float]"
Tensor: TypeAlias = "npt.NDArray[np.float32]"


@dataclass(frozen=True)
class Facts:
    """Properties of a model that people and programs need before they run it."""

    name: str
    """Name of the model, e.g. ``smsr_x2``: 1 to 64 of ``a-z 0-9 _ . -``."""
    architecture: str
    """Network family, e.g. ``smsr``."""
    scale: int
    """Output size / input size, 1 to 8; the default of a model for several scales."""
    size_multiple: int = 1
    """Height and width of the network's input must be multiples of this (images are padded to it)."""
    license: str = ""
    """Licence of the weights, in words or as an SPDX identifier."""
    description: str = ""
    """One or a few sentences: what the model is and is not good for."""
    training: dict[str, Json] = field(default_factory=dict[str, "Json"])
    """Training record: data, steps, loss, seed, commit, quality reached...; free form."""
    parameters: int = 0
    """Number of weights, as the paper counts them."""
    value_range: float = 1.0
    """Value range (1 or 255) of the training. For information only: graphs always take images in 0..1."""
    bf16_costs: tuple[PrecisionCost, ...] = ()
    """Loss of PSNR in bf16 at each scale for which it was measured."""
    int8_costs: tuple[PrecisionCost, ...] = ()
    """The same in int8, with the scales of the file."""
    gain_tables: tuple[GainTable, ...] = ()
    """Gain of each effort at each scale for which it was measured."""

    def costs(self, precision: str) -> tuple[PrecisionCost, ...]:
        """The records of ``bf16`` or ``int8``."""
        return {"bf16": self.bf16_costs, "int8": self.int8_costs}[precision]

    def cost(self, precision: str) -> PrecisionCost | None:
        """The record of ``bf16`` or ``int8`` for ``scale``."""
        return next((cost for cost in self.costs(precision) if cost.scale == self.scale), None)

    def gain_table(self) -> GainTable | None:
        """The gains of each effort at ``scale``."""
        return next((table for table in self.gain_tables if table.scale == self.scale), None)

    def with_costs(self, precision: str, costs: Sequence[PrecisionCost]) -> Facts:
        """The facts with other records of ``bf16`` or ``int8``."""
        return replace(self, **{precision_cost.key_of(precision): tuple(costs)})


@dataclass(frozen=True)
class Node:
    """One operation of the graph; ``OPERATIONS`` in ``operations/registry.py`` defines each op."""

    op: str
    """Name of the operation, e.g. ``conv2d``."""
    inputs: tuple[str, ...]
    """Tensors it reads; each is the ``output`` of an earlier node."""
    output: str
    """The tensor it produces."""
    attrs: dict[str, Attr] = field(default_factory=dict[str, "Attr"])
    """Attributes; missing ones take the default of the op's entry."""
    weights: dict[str, str] = field(default_factory=dict[str, str])
    """Role (``weight``, ``bias``...) -> name of a stored tensor."""
    name: str = ""
    """Dotted path of the layer in the trained module, for statistics; defaults to ``output``."""

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", self.output)


@dataclass(frozen=True)
class Graph:
    """The network: nodes in execution order, every input produced by an earlier node."""

    input: str
    """The tensor that the single ``image`` node produces."""
    output: str
    """The upscaled image: 3 channels, ``scale`` times the input size."""
    nodes: tuple[Node, ...]
    more_outputs: Mapping[int, str] = field(default_factory=dict[int, str])
    """Upscaled images at further scales, by scale, for a model of several scales. All share ``nodes``."""

    def only(self, output: str) -> Graph:
        """Return the graph of one output, without the nodes that it does not need."""
        needed, kept = {output}, list[Node]()
        for node in reversed(self.nodes):
            if node.output in needed:
                needed.update(node.inputs)
                kept.append(node)
        return Graph(self.input, output, tuple(reversed(kept)))


@dataclass(frozen=True)
class ModelFile:
    """A model file in memory. Tensors are read-only float32 arrays, whatever their storage type."""

    facts: Facts
    graph: Graph
    tensors: Mapping[str, Tensor]

    @property
    def scales(self) -> tuple[int, ...]:
        """The scales that the model serves, ascending."""
        return scales_of(self.facts, self.graph)

    def at_scale(self, scale: int | None = None) -> ModelFile:
        """Return the model reduced to one of its scales; None: the default scale.

        Raises:
            ModelError: the model does not serve that scale.
        """
        wanted = self.facts.scale if scale is None else scale
        if wanted not in self.scales:
            fields.fail(f"{self.facts.name} upscales {scale_words(self.scales)}, not x{wanted}")
        if not self.graph.more_outputs:
            return self
        outputs = {**self.graph.more_outputs, self.facts.scale: self.graph.output}
        graph = self.graph.only(outputs[wanted])
        used = {name for node in graph.nodes for name in node.weights.values()}
        tensors = {name: tensor for name, tensor in self.tensors.items() if name in used}
        tables = tuple(table for table in self.facts.gain_tables if table.scale == wanted)
        facts = replace(self.facts, scale=wanted, gain_tables=tables)
        for precision in REDUCED_PRECISIONS:
            facts = facts.with_costs(precision, [c for c in facts.costs(precision) if c.scale == wanted])
        return ModelFile(facts, graph, tensors)


def scales_of(facts: Facts, graph: Graph) -> tuple[int, ...]:
    """The scales that a model serves, ascending."""
    return tuple(sorted({facts.scale, *graph.more_outputs}))


def scale_words(scales: Sequence[int]) -> str:
    """``x2``, or ``x2, x3 or x4``."""
    *others, last = (f"x{scale}" for scale in scales)
    return f"{', '.join(others)} or {last}" if others else last


def to_json(facts: Facts, graph: Graph) -> dict[str, Json]:
    """Build the document that describes a model, for ``json_fields.dump`` (which turns tuples into lists)."""
    nodes: list[Json] = [asdict(node) for node in graph.nodes]
    network: dict[str, Json] = {"input": graph.input, "output": graph.output, "nodes": nodes}
    if graph.more_outputs:
        network["more_outputs"] = {str(scale): name for scale, name in graph.more_outputs.items()}
    about: dict[str, Json] = asdict(facts)
    for precision in REDUCED_PRECISIONS:
        if not facts.costs(precision):
            # So that the bytes of models without records stay the same.
            del about[precision_cost.key_of(precision)]
    if not facts.gain_tables:
        del about[gain_table.KEY]
    has_balanced = any(node.attrs.get("balanced") for node in graph.nodes)
    version = (
        FORMAT_VERSION if has_balanced else _FORMAT_WITHOUT_BALANCED_WEIGHTS
    )  # older sparsesr reads these
    return {"format": version, "facts": about, "graph": network}


def from_json(document: Json, max_nodes: int) -> tuple[Facts, Graph]:
    """Read facts and graph from a JSON document; checks types here, meaning is checked in ``validation``.

    Raises:
        ModelError: a field is missing or of the wrong type, or the format is newer than this sparsesr.
    """
    top = check_version(document)
    return _facts(fields.mapping(top, "facts")), _graph(fields.mapping(top, "graph"), max_nodes)


def check_version(document: Json) -> dict[str, Json]:
    """Return the document as an object; ModelError if its format is newer than this sparsesr."""
    top = fields.as_object(document, "the description")
    fields.check_format(fields.integer(top, "format"), FORMAT_VERSION)
    return top


def _facts(data: dict[str, Json]) -> Facts:
    """Unknown facts are ignored: they cannot change what the network computes."""
    return Facts(
        name=fields.text(data, "name"),
        architecture=fields.text(data, "architecture"),
        scale=fields.integer(data, "scale"),
        size_multiple=fields.integer(data, "size_multiple"),
        license=fields.text(data, "license"),
        description=fields.text(data, "description"),
        training=fields.mapping(data, "training"),
        parameters=fields.integer(data, "parameters"),
        value_range=fields.number(data, "value_range"),
        bf16_costs=precision_cost.costs_of(data, "bf16"),
        int8_costs=precision_cost.costs_of(data, "int8"),
        gain_tables=gain_table.tables_of(data),
    )


def _graph(data: dict[str, Json], max_nodes: int) -> Graph:
    fields.only_keys(data, {"input", "output", "nodes", "more_outputs"}, "the graph")
    nodes = fields.sequence(data, "nodes")
    if len(nodes) > max_nodes:
        fields.fail(f"the graph has {len(nodes)} nodes, the limit is {max_nodes}")
    return Graph(
        input=fields.text(data, "input"),
        output=fields.text(data, "output"),
        nodes=tuple(_node(item, f"node {index}") for index, item in enumerate(nodes)),
        more_outputs=_more_outputs(data),
    )


def _more_outputs(data: dict[str, Json]) -> dict[int, str]:
    """Outputs by scale; JSON keys are scales in plain decimal."""
    if "more_outputs" not in data:
        return {}
    outputs = fields.text_mapping(data, "more_outputs")
    wrong = [key for key in outputs if not re.fullmatch("[1-9][0-9]{0,3}", key)]
    if wrong:
        fields.fail(f"more_outputs: {fields.shown(wrong[0])} is no scale")
    return {int(key): name for key, name in outputs.items()}


def _node(item: Json, where: str) -> Node:
    """Unknown fields are refused: they might change what the node means."""
    data = fields.as_object(item, where)
    fields.only_keys(data, {"op", "inputs", "output", "attrs", "weights", "name"}, where)
    return Node(
        op=fields.text(data, "op", where),
        inputs=tuple(fields.texts(data, "inputs", where)),
        output=fields.text(data, "output", where),
        attrs={
            key: _attr(value, f"{where}: {fields.shown(key)}")
            for key, value in fields.mapping(data, "attrs", where).items()
        },
        weights=fields.text_mapping(data, "weights", where),
        name=fields.text(data, "name", where),
    )


def _attr(value: Json, where: str) -> Attr:
    if isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, list) and all(type(item) in (int, float) for item in value):
        return fields.numbers(value, where)
    fields.fail(f"{where}: an attribute is a number, a string, true, false or a list of numbers")
