"""Facts of operations are consistent, and no other module compares names of operations."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import sparsesr
from graphs import smsr
from runtime.random_graphs import one_of_each
from sparsesr.modelfile.operations.registry import (
    OPERATIONS,
    RUNTIME_OPERATIONS,
    mask_names,
    mask_of,
    operation_of,
)
from sparsesr.modelfile.operations.value_types import Kind
from sparsesr.modelfile.validation import type_graph
from sparsesr.runtime.backend.native.layers import LAYERS

SOURCES = Path(sparsesr.__file__).parent
COMPARISON = re.compile(r"\.op (==|!=|in|not in)|op == \"")
ENTRIES = [
    entry
    for model in (smsr(16, modules=1, layers=2), *one_of_each().values())
    for entry in type_graph(model.graph, {name: tensor.shape for name, tensor in model.tensors.items()})
]


def test_the_test_graphs_cover_every_operation():
    assert {entry.node.op for entry in ENTRIES} == set(OPERATIONS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_facts_match_the_types_of_nodes(name):
    for entry in ENTRIES:
        node, operation = entry.node, operation_of(entry.node)
        if node.op != name:
            continue
        assert entry.output.kind is operation.produces
        assert operation.is_source == (not node.inputs)
        kinds = dict(zip(node.inputs, entry.inputs, strict=True))
        assert all(kinds[feature].kind is Kind.MAP for feature in operation.features(node))
        touched = {*node.inputs, node.output}
        assert all(set(group) <= touched for group in operation.number_types.same_type_maps(node))
        masks = [value.kind is Kind.MASK for value in entry.inputs]
        assert any(masks) == (operation.masking is not None)
        if operation.masking is not None:
            assert masks[0] and mask_of(node) == node.inputs[0]
            assert operation.masking.dense_out(node) <= entry.output.channels
            assert len(operation.masking.dense_in(node)) == len(operation.features(node))
            assert Kind.MASK not in {v.kind for v in operation.masking.unmasked(entry).inputs}
        for index, value in enumerate(entry.inputs):
            if value.kind is Kind.MAP and operation.in_place(node, index):
                assert value == entry.output


def test_masks_are_listed_in_order():
    model = smsr(16, modules=3, layers=2)
    assert mask_names(model.graph) == [f"body.{index}.mask" for index in range(3)]


def test_every_operation_has_a_layer():
    assert set(LAYERS) == {*OPERATIONS, *RUNTIME_OPERATIONS}


def test_only_entries_know_operations_by_name():
    found = [
        f"{path.relative_to(SOURCES)}: {line.strip()}"
        for path in SOURCES.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if COMPARISON.search(line) and "operations" not in path.parts
    ]
    assert not found
