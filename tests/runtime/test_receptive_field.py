from __future__ import annotations

import pytest

import graphs
from sparsesr.modelfile.spec import Graph, Node
from sparsesr.runtime.receptive_field import halo_px, has_global_op

ROWS = 400


def rows_seen(graph: Graph, row: int) -> set[int]:
    """Which input rows an output row depends on, by following every dependency one row at a time."""
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
        return [(features[0], row + offset) for offset in range(-2, 3)]
    in_place = (
        features[:1] if node.op == "masked_conv2d" else features[1:] if node.attrs.get("residual") else ()
    )
    reach = 1 if node.attrs.get("kernel") == 3 else 0
    around = [(name, row + offset) for name in features for offset in range(-reach, reach + 1)]
    return [(name, at) for name, at in around if name not in in_place or at == row]


@pytest.mark.parametrize(("modules", "layers"), [(1, 1), (1, 4), (2, 2), (5, 4)])
def test_halo_is_what_the_dependencies_say(modules, layers):
    graph = graphs.smsr(channels=4, modules=modules, layers=layers, mask_channels=2).graph
    reaches = []
    for row in (ROWS // 2, ROWS // 2 + 1):
        rows = rows_seen(graph, row)
        reaches += [row - min(rows), max(rows) - row]
    assert halo_px(graph) == max(reaches)


def test_halo_of_the_papers_network():
    assert halo_px(graphs.smsr().graph) == 44


def test_plain_network():
    graph = graphs.plain().graph
    assert halo_px(graph) == 2
    assert not has_global_op(graph)


def test_bicubic_alone_reaches_two_pixels():
    nodes = (Node("image", (), "image"), Node("bicubic_upsample", ("image",), "out", {"scale": 2}))
    assert halo_px(Graph("image", "out", nodes)) == 2


def test_channel_attention_is_global():
    assert has_global_op(graphs.smsr(channels=4, modules=1, layers=1).graph)
