"""Model files with balanced weights: exact, small, checked, and refused by older readers."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
import safetensors.numpy

import graphs
from hostile_models import edit_document, edit_header, join, saved, split
from sparsesr.errors import ModelError
from sparsesr.limits import ModelLimits
from sparsesr.modelfile.balanced import Pattern
from sparsesr.modelfile.balanced_storage import dense_shapes
from sparsesr.modelfile.describe import describe
from sparsesr.modelfile.reader import read_description, read_model
from sparsesr.modelfile.safetensors_header import read_header
from sparsesr.modelfile.spec import METADATA_KEY
from sparsesr.modelfile.writer import encode_model
from sparsesr.runtime.graph.cost import count_macs

LAYER = "body.0.layer1.weight"


def encoded(model, dtype: str = "f32") -> bytes:
    return encode_model(model.facts, model.graph, model.tensors, dtype)


@pytest.fixture(scope="module")
def dense():
    return graphs.smsr(channels=32, modules=2, layers=2)


@pytest.fixture(scope="module")
def model(dense):
    return graphs.balanced(dense, 4, 16)


@pytest.fixture(scope="module")
def good(model) -> bytes:
    return encoded(model)


@pytest.mark.parametrize(("keep", "block"), [(4, 16), (3, 16), (1, 8), (8, 32), (16, 16)])
def test_files_are_read_back_exactly(tmp_path, dense, keep, block):
    model = graphs.balanced(dense, keep, block)
    read = read_model(saved(tmp_path, encoded(model)))
    assert read.graph == model.graph
    assert read.tensors.keys() == model.tensors.keys()
    for name, tensor in read.tensors.items():
        np.testing.assert_array_equal(tensor, model.tensors[name])
        assert tensor.dtype == np.float32 and tensor.flags.c_contiguous and not tensor.flags.writeable


def test_half_precision_halves_the_values(tmp_path, model, good):
    data = encoded(model, "f16")
    assert len(data) < 0.65 * len(good)
    read = read_model(saved(tmp_path, data)).tensors[LAYER]
    np.testing.assert_array_equal(read, model.tensors[LAYER].astype(np.float16))


def test_a_quarter_of_the_weights_takes_less_than_31_percent(dense, good):
    def layer_bytes(data: bytes) -> int:
        header, _ = split(data)
        places = [entry["data_offsets"] for name, entry in header.items() if name.startswith(LAYER)]
        return sum(end - begin for begin, end in places)

    assert layer_bytes(good) <= 0.31 * layer_bytes(encoded(dense))


def test_the_description_says_which_layers_are_balanced(model, dense):
    about = describe(model)
    assert about["balanced_layers"]["body.0.layer1"] == {"keep": 4, "block": 16, "density": 0.25}
    assert "head.0" not in about["balanced_layers"] and describe(dense)["balanced_layers"] == {}
    assert about["weights"] == sum(
        np.count_nonzero(t)
        if f"{n.rpartition('.')[0]}" in about["balanced_layers"] and t.ndim == 4
        else t.size
        for n, t in model.tensors.items()
    )


def test_multiply_adds_count_the_weights_kept(model, dense):
    by_name = {node.name: node for node in count_macs(model, 10, 12).nodes}
    for node in count_macs(dense, 10, 12).nodes:
        share = 0.25 if node.name in describe(model)["balanced_layers"] else 1
        assert by_name[node.name].macs_dense == share * node.macs_dense
    weight = model.tensors[LAYER]
    assert by_name["body.0.layer1"].macs_dense == 10 * 12 * np.count_nonzero(weight)


def test_inactive_pixels_count_the_weights_kept():
    dense = graphs.smsr(channels=32, modules=1, layers=2, dense_out=[[16, 16]])
    masks = {"body.0.mask": 0.0}
    costs = [
        next(n.macs for n in count_macs(m, 8, 8, masks).nodes if n.name == "body.0.layer1")
        for m in (dense, graphs.balanced(dense, 4, 16))
    ]
    assert costs[1] * 4 == costs[0] == 64 * 16 * 16 * 9


def refused(tmp_path, data: bytes) -> str:
    with pytest.raises(ModelError) as caught:
        read_model(saved(tmp_path, data))
    message = str(caught.value)
    assert "\n" not in message
    return message


def with_positions(data: bytes, change) -> bytes:
    """The file with the positions of a layer changed."""
    header, body = split(data)
    begin, end = header[f"{LAYER}.positions"]["data_offsets"]
    positions = np.frombuffer(body[begin:end], np.uint8).copy()
    change(positions)
    return join(header, body[:begin] + positions.tobytes() + body[end:])


@pytest.mark.parametrize(
    ("first", "says"), [(0x11, "do not increase"), (0x01, "do not increase"), (0xFF, "do not increase")]
)
def test_positions_that_do_not_increase(tmp_path, good, first, says):
    def change(positions):
        positions[0] = first

    message = refused(tmp_path, with_positions(good, change))
    assert f"{LAYER}.positions" in message and says in message and "damaged" in message


def test_positions_outside_their_block(tmp_path, dense):
    data = encoded(graphs.balanced(dense, 2, 8))
    assert "position 9 in a block of 8" in refused(tmp_path, with_positions(data, lambda p: p.fill(0x90)))


def test_more_positions_than_weights(tmp_path, dense):
    data = encoded(graphs.balanced(dense, 3, 16))
    assert "more than 3 positions" in refused(tmp_path, with_positions(data, lambda p: p.fill(0xE0)))


def declared(balanced) -> object:
    """A change of the document: what the first balanced node says about its pattern."""

    def change(document):
        node = next(node for node in document["graph"]["nodes"] if "balanced" in node["attrs"])
        node["attrs"]["balanced"] = balanced

    return change


@pytest.mark.parametrize(
    ("balanced", "says"),
    [
        ([0, 16], "keeps 1 to 16 weights, not 0"),
        ([17, 16], "keeps 1 to 16 weights, not 17"),
        ([4, 0], "has 1 to 256 inputs, not 0"),
        ([4, 999], "has 1 to 256 inputs, not 999"),
        ([4], "the weights kept and the inputs of a block"),
        ([4, 16, 1], "the weights kept and the inputs of a block"),
        ("4/16", "must be a list of whole numbers"),
        ([4.5, 16.0], "must be a list of whole numbers"),
        ([-4, 16], "must lie in"),
        ([3, 16], "are not those of a 3x3 weight balanced 3/16"),
        ([4, 8], "shape"),
        ([4, 32], "are not those of a"),
    ],
)
def test_patterns_that_lie(tmp_path, good, balanced, says):
    assert says in refused(tmp_path, edit_document(good, declared(balanced)))


def test_weights_that_are_not_declared_balanced(tmp_path, good):
    def change(document):
        for node in document["graph"]["nodes"]:
            node["attrs"].pop("balanced", None)

    assert "stored as 'U8'" in refused(tmp_path, edit_document(good, change))


def test_positions_that_are_missing_or_floats(tmp_path, good, model):
    tensors = safetensors.numpy.load(good)
    metadata = {METADATA_KEY: split(good)[0]["__metadata__"][METADATA_KEY]}
    positions = tensors.pop(f"{LAYER}.positions")
    assert "is not in the file" in refused(tmp_path, safetensors.numpy.save(tensors, metadata=metadata))
    tensors[f"{LAYER}.positions"] = positions.astype(np.float32)
    assert "stored as 'F32'" in refused(tmp_path, safetensors.numpy.save(tensors, metadata=metadata))


def test_a_small_file_cannot_become_huge(good):
    header = read_header(io.BytesIO(good), len(good), ModelLimits())
    weights = {LAYER: (Pattern(4, 16), 3)}
    with pytest.raises(ModelError, match="would take more than 36,863 bytes"):
        dense_shapes(header, weights, 32 * 32 * 9 * 4 - 1)


def test_nan_is_refused(tmp_path, model, good):
    header, body = split(good)
    begin, _ = header[LAYER]["data_offsets"]
    data = join(header, body[:begin] + np.float32(np.nan).tobytes() + body[begin + 4 :])
    assert "NaN" in refused(tmp_path, data)
    weight = model.tensors[LAYER].copy()
    weight.flat[weight.argmax()] = np.nan
    with pytest.raises(ModelError, match="NaN"):
        encode_model(model.facts, model.graph, {**model.tensors, LAYER: weight})


def test_a_weight_without_its_pattern_is_not_written(model, dense):
    with pytest.raises(ModelError, match=rf"{LAYER}' is not balanced 4/16: a block has 16"):
        encode_model(model.facts, model.graph, {**model.tensors, LAYER: dense.tensors[LAYER]})


def test_blocks_that_do_not_divide_an_input(dense):
    nodes = [
        replace(node, attrs={**node.attrs, "balanced": [1, 3]}) if node.name == "body.0.layer1" else node
        for node in dense.graph.nodes
    ]
    graph = replace(dense.graph, nodes=tuple(nodes))
    with pytest.raises(ModelError, match="blocks of 3 inputs do not divide 32 input channels"):
        encode_model(dense.facts, graph, dense.tensors)


def test_only_balanced_files_have_the_new_format(tmp_path, good, dense):
    def version(data: bytes) -> int:
        return json.loads(split(data)[0]["__metadata__"][METADATA_KEY])["format"]

    assert (version(encoded(dense)), version(good)) == (1, 2)
    read_description(saved(tmp_path, good))


def test_a_newer_format_is_refused_before_its_tensors(tmp_path, good):
    def change(header):
        header[LAYER]["dtype"] = "F4"

    newer = edit_header(edit_document(good, lambda document: document.update(format=3)), change)
    assert "newer sparsesr; upgrade" in refused(tmp_path, newer)
