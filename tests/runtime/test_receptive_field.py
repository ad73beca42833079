"""Receptive fields, compared with an independent search of dependencies."""

from __future__ import annotations

import math

import pytest

import graphs
from runtime.random_graphs import at_every_size, halves, only_bicubic, shared_mask
from sparsesr.modelfile.spec import Graph, ModelFile, Node
from sparsesr.runtime.graph.receptive_field import halo_px, sees_whole_image

ROWS = 400


def rows_seen(graph: Graph, row: int) -> set[int]:
    """Input rows that an output row depends on, found by following every dependency row by row."""
    producers = {node.output: node for node in graph.nodes}
    seen: set[tuple[str, int]] = set()
    todo = [(graph.output, row)]
    while todo:
        name, at = todo.pop()
        if (name, at) not in seen:
            seen.add((name, at))
            todo += dependencies(producers[name], at)
    return {at for name, at in seen if name == graph.input}


def dependencies(node: Node, row: int) -> list[tuple[str, int]]:
    features = node.inputs
    if node.op in ("global_mean", "channel_attention"):
        return []
    if node.op == "avg_pool2x2":
        return [(features[0], 2 * row), (features[0], 2 * row + 1)]
    if node.op == "conv_transpose2x":
        return [(features[0], (row + 1 - tap) // 2) for tap in range(3) if (row + 1 - tap) % 2 == 0]
    if node.op == "bicubic_upsample":
        first = math.floor((row + 0.5) / node.attrs["scale"] - 0.5) - 1
        return [(features[0], at) for at in range(first, first + 4)]
    if node.op == "pixel_shuffle":
        return [(features[0], row // node.attrs["scale"]), *((name, row) for name in features[1:])]
    is_added = node.attrs.get("residual") or node.attrs.get("accumulate")
    in_place = (0,) if node.op == "masked_conv2d" else (len(features) - 1,) if is_added else ()
    reach = 1 if node.attrs.get("kernel") == 3 else 0
    return [
        (name, row + offset)
        for index, name in enumerate(features)
        for offset in range(-reach, reach + 1)
        if index not in in_place or offset == 0
    ]


@pytest.mark.parametrize(("modules", "layers"), [(1, 1), (1, 4), (2, 2), (5, 4)])
def test_halo_matches_the_dependencies(modules, layers):
    model = graphs.smsr(channels=4, modules=modules, layers=layers, mask_channels=2)
    assert halo_px(model) == seen_px(model)


@pytest.mark.parametrize("model", [halves(), at_every_size(), shared_mask()], ids=lambda m: m.facts.name)
def test_halo_of_graphs_that_change_resolution(model):
    assert halo_px(model) == seen_px(model)


def seen_px(model: ModelFile) -> int:
    """The halo found by following dependencies, for every position of a row in blocks of four."""
    scale, reaches = model.facts.scale, []
    for row in range(ROWS // 2, ROWS // 2 + 4):
        rows = set().union(*(rows_seen(model.graph, row * scale + i) for i in range(scale)))
        reaches += [row - min(rows), max(rows) - row]
    return max(reaches)


def test_halo_of_the_papers_network():
    assert halo_px(graphs.smsr()) == 44


def test_plain_network():
    model = graphs.plain()
    assert halo_px(model) == 2
    assert not sees_whole_image(model.graph)


def test_bicubic_alone_reaches_two_pixels():
    assert halo_px(only_bicubic()) == 2


def test_channel_attention_is_global():
    assert sees_whole_image(graphs.smsr(channels=4, modules=1, layers=1).graph)
