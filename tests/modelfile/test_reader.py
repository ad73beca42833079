from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import graphs
from hostile_models import edit_document, edit_header, join, saved, split
from sparsesr.errors import ModelError
from sparsesr.limits import ModelLimits
from sparsesr.modelfile.operations.registry import OPERATIONS
from sparsesr.modelfile.reader import read_description, read_model
from sparsesr.modelfile.spec import METADATA_KEY
from sparsesr.modelfile.writer import encode_model


@pytest.fixture(scope="module")
def model():
    return graphs.smsr(channels=8, modules=2, layers=2)


@pytest.fixture(scope="module")
def good(model) -> bytes:
    return encode_model(model.facts, model.graph, model.tensors)


def refused(folder: Path, data: bytes, limits: ModelLimits | None = None) -> str:
    """Return the message with which a file is refused; checks that it is quick, one line, and names the file."""
    path = saved(folder, data)
    start = time.process_time()
    with pytest.raises(ModelError) as caught:
        read_model(path, limits or ModelLimits())
    assert time.process_time() - start < 2  # 0.05 s on an idle machine; hostile files could make it hours
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    assert len(message) < len(str(path)) + 400
    return message


def test_a_good_file_is_read_back_exactly(tmp_path, model, good):
    read = read_model(saved(tmp_path, good))
    assert read.facts == model.facts
    assert read.graph == model.graph
    assert read.tensors.keys() == model.tensors.keys()
    for name, tensor in read.tensors.items():
        np.testing.assert_array_equal(tensor, model.tensors[name])
        assert tensor.dtype == np.float32
        assert tensor.flags.c_contiguous
        assert not tensor.flags.writeable


def test_the_description_needs_no_weights(tmp_path, model, good):
    description = read_description(saved(tmp_path, good))
    assert description.facts == model.facts
    assert description.header.shapes["head.0.weight"] == (8, 3, 3, 3)


def test_missing_file():
    with pytest.raises(ModelError, match=r"nowhere.safetensors: cannot read the model file: No such file"):
        read_model("nowhere.safetensors")


def test_folder_and_device_are_not_model_files(tmp_path):
    with pytest.raises(ModelError, match="cannot read the model file"):
        read_model(tmp_path)
    with pytest.raises(ModelError, match="not a regular file"):
        read_model(os.devnull)


def test_a_pipe_is_refused_without_waiting_for_its_writer(tmp_path):
    os.mkfifo(tmp_path / "pipe.safetensors")
    code = "import sys; from sparsesr.modelfile.reader import read_model; read_model(sys.argv[1])"
    command = [sys.executable, "-c", code, str(tmp_path / "pipe.safetensors")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "pipe.safetensors: is not a regular file" in ended.stderr


def test_a_name_with_a_null_character():
    with pytest.raises(ModelError, match="is no name of a file"):
        read_model("a\0b.safetensors")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "truncated or not a safetensors"),
        (b"\x08\x00\x00", "truncated or not a safetensors"),
        (b"\xff" * 64, "truncated or not a safetensors"),
        (join(b"[1, 2]", b""), "not a safetensors"),
        (join(b"{]", b""), "the header is not valid JSON"),
        (join(b"{\xff\xfe}", b""), "the header is not valid JSON"),
        (join(b'{"a":' + b"[" * 100_000, b""), "nested too deeply|not valid JSON"),
        (join(b'{"__metadata__": {}, "__metadata__": {}}', b""), "not valid JSON"),
        (join({}, b""), "without a sparsesr graph"),
        (
            join({"__metadata__": {"format": "pt"}}, b""),
            "without a sparsesr graph; try `sparsesr models import`",
        ),
        (join({"__metadata__": {METADATA_KEY: 3}}, b""), "metadata that is not a string"),
        (join({"__metadata__": {METADATA_KEY: "{"}}, b""), "the graph is not valid JSON"),
        (join({"__metadata__": {METADATA_KEY: "[]"}}, b""), "not a JSON object"),
        (join({"__metadata__": {METADATA_KEY: '{"format": NaN}'}}, b""), "not valid JSON"),
        (
            join({"__metadata__": {METADATA_KEY: '{"format": ' + "9" * 6000 + "}"}}, b""),
            "not valid JSON|format",
        ),
    ],
)
def test_files_that_are_not_models(tmp_path, data, says):
    assert_says(refused(tmp_path, data), says)


def assert_says(message: str, pattern: str) -> None:
    import re

    assert re.search(pattern, message), message


def test_safetensors_of_another_program(tmp_path):
    data = safetensors.numpy.save({"x": np.zeros(4, np.float32)})
    assert "without a sparsesr graph" in refused(tmp_path, data)


@pytest.mark.parametrize("keep", [0.0, 0.2, 0.5, 0.9, 0.999])
def test_truncated_files(tmp_path, good, keep):
    assert_says(refused(tmp_path, good[: int(len(good) * keep)]), "truncated|damaged")


def test_extra_bytes(tmp_path, good):
    assert "damaged" in refused(tmp_path, good + b"\0" * 8)


def test_huge_header_length(tmp_path, good):
    for length in (1 << 63, (1 << 64) - 1, len(good), len(good) - 7):
        assert "truncated" in refused(tmp_path, length.to_bytes(8, "little") + good[8:])


def test_size_limits(tmp_path, good):
    assert "limit for model files" in refused(tmp_path, good, ModelLimits(max_file_bytes=100))
    assert "the limit is 100" in refused(tmp_path, good, ModelLimits(max_header_bytes=100))
    assert "the limit is 5" in refused(tmp_path, good, ModelLimits(max_nodes=5))
    assert "over the limit" in refused(tmp_path, good, ModelLimits(max_channels=6))


def set_place(name: str, begin: int, end: int):
    return lambda header: header[name].update(data_offsets=[begin, end])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (set_place("head.0.bias", 0, 32), "overlaps another or leaves a gap"),
        (set_place("head.0.bias", 0, 1 << 70), "does not fit its shape"),
        (set_place("head.0.bias", -32, 0), "whole numbers from 0"),
        (lambda h: h["head.0.bias"].update(shape=[1 << 62, 4]), "does not fit its shape"),
        (lambda h: h["head.0.bias"].update(shape=[8.0]), "whole numbers from 0"),
        (lambda h: h["head.0.bias"].update(shape=[True]), "whole numbers from 0"),
        (lambda h: h["head.0.bias"].update(shape=[2, 2, 2, 1, 1]), "impossible shape"),
        (lambda h: h["head.0.bias"].update(shape=[2, 4]), r"bias has shape \[2, 4\], expected \[8\]"),
        (lambda h: h["head.0.bias"].update(data_offsets=[1]), "impossible shape or place"),
        (lambda h: h["head.0.bias"].update(dtype="BF16"), "stored as 'BF16'; models hold F32 or F16"),
        (lambda h: h["head.0.bias"].update(dtype=4), "dtype must be a string"),
        (lambda h: h.update({"head.0.bias": None}), "not a JSON object"),
        (lambda h: h.update(extra=h.pop("head.0.bias")), "'head.0.bias' .bias. is not in the file"),
        (
            lambda h: h.update(zero={"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}),
            "'zero' belongs to no node",
        ),
    ],
)
def test_hostile_headers(tmp_path, good, change, says):
    assert_says(refused(tmp_path, edit_header(good, change)), says)


def set_node(index: int, **fields):
    return lambda document: document["graph"]["nodes"][index].update(fields)


def set_facts(**fields):
    return lambda document: document["facts"].update(fields)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d.update(format=3), "written by a newer sparsesr; upgrade"),
        (lambda d: d.update(format=0), "not a format"),
        (lambda d: d.pop("format"), "format must be a whole number"),
        (lambda d: d.pop("graph"), "graph must be an object"),
        (set_facts(scale=9), r"scale 9 is not in 1\.\.8"),
        (set_facts(scale=True), "scale must be a whole number"),
        (set_facts(scale=3), "is not an image of 3 channels, upscaled x3"),
        (set_facts(size_multiple=3), "size_multiple 3 is no multiple of 2"),
        (set_facts(size_multiple=0), "size_multiple 0"),
        (set_facts(size_multiple=1 << 40), r"size_multiple 1099511627776 is not in 1\.\.64"),
        (set_facts(name="../../etc/passwd"), "name '../../etc/passwd' is not"),
        (set_facts(description="\x1b[2J"), "control characters"),
        (set_facts(value_range=0), "value_range must be positive"),
        (set_facts(value_range=1e999), "the graph is not valid JSON|finite"),
        (lambda d: d["graph"].update(extra=1), "the graph has an unknown field 'extra'"),
        (lambda d: d["graph"].update(input="head.0"), "not the output of the only image node"),
        (lambda d: d["graph"].update(output="head.0"), "is not an image of 3 channels, upscaled"),
        (lambda d: d["graph"].update(output="nothing"), "is not an image of 3 channels, upscaled"),
        (lambda d: d["graph"].update(nodes=[]), "not the output of the only image node"),
        (lambda d: d["graph"].update(nodes=[[]]), "node 0 is not a JSON object"),
        (set_node(1, op="conv3d"), f"unknown op; the {len(OPERATIONS)} of this sparsesr"),
        (set_node(1, op="x" * 5000), "unknown op"),
        (set_node(1, surprise=1), "unknown field 'surprise'"),
        (set_node(1, inputs=["output"]), "reads 'output', which no earlier node produces"),
        (set_node(1, inputs=["head.0"]), "reads 'head.0', which no earlier node produces"),
        (set_node(1, inputs=[]), r"takes \(x, ...\), got 0 inputs"),
        (set_node(1, inputs="image"), "inputs must be a list"),
        (set_node(1, output="image"), "already produced"),
        (set_node(1, output="a\nb"), "not a valid name"),
        (set_node(1, name="x\x1b[2J"), "not a valid name"),
        (set_node(1, weights={}), "weight role weight is missing"),
        (set_node(1, weights={"weight": "nowhere"}), "tensor 'nowhere' .weight. is not in the file"),
        (set_node(1, weights={"weight": "head.2.weight"}), r"expected \[O, 3, 3, 3\]"),
        (set_node(1, weights={"kernel": "head.0.weight"}), "unknown weight role 'kernel'"),
        (set_node(1, attrs={"kernel": 5}), "kernel must be one of 1, 3"),
        (set_node(1, attrs={"kernel": "3"}), "kernel must be a whole number"),
        (set_node(1, attrs={"kernel": {}}), "an attribute is a number"),
        (set_node(1, attrs={"ker\nnel": {}}), r"'ker\\nnel': an attribute is a number"),
        (set_node(1, attrs={}), "attribute kernel is missing"),
        (set_node(1, attrs={"kernel": 3, "stride": 2}), "unknown attribute 'stride'"),
        (set_node(0, attrs={"offset": [0, 0]}), "offset must have 3 numbers"),
        (
            lambda d: d["graph"]["nodes"].insert(1, dict(d["graph"]["nodes"][0], output="spare")),
            "only image node",
        ),
        (
            lambda d: d["graph"]["nodes"].insert(3, dict(d["graph"]["nodes"][1], output="spare")),
            "output 'spare' of node 'head.0' is never used",
        ),
    ],
)
def test_hostile_graphs(tmp_path, good, change, says):
    assert_says(refused(tmp_path, edit_document(good, change)), says)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite(tmp_path, good, value):
    header, body = split(good)
    begin = header["body.1.collect.weight"]["data_offsets"][0]
    bad = body[:begin] + np.float32(value).tobytes() + body[begin + 4 :]
    message = refused(tmp_path, join(header, bad))
    assert "tensor 'body.1.collect.weight' holds NaN or infinite values" in message


def test_half_precision_is_widened(tmp_path, model):
    data = encode_model(model.facts, model.graph, model.tensors, "f16")
    read = read_model(saved(tmp_path, data))
    weight = read.tensors["head.2.weight"]
    assert weight.dtype == np.float32
    np.testing.assert_array_equal(weight, model.tensors["head.2.weight"].astype(np.float16))


def test_unknown_facts_are_ignored(tmp_path, model, good):
    data = edit_document(good, lambda d: d["facts"].update(colour="green"))
    assert read_model(saved(tmp_path, data)).facts == model.facts
