from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from measure.turning_peer import TURNING
from sparsesr.errors import InputError
from sparsesr.interchange.dense_model import dense_model
from sparsesr.interchange.onnx_model import to_onnx
from sparsesr.measure.native import NativeMethod
from sparsesr.measure.peers.onnx_file import OnnxFile, OnnxMethod, onnx_precisions
from sparsesr.measure.peers.peer_process import open_isolated
from sparsesr.measure.peers.runtimes import RUNTIMES, as_tensor
from support.tiny_models import photo, tiny

onnx = pytest.importorskip("onnx")
MODEL = dense_model(tiny())
READERS = [runtime for runtime in RUNTIMES if onnx_precisions(runtime)]


@pytest.fixture
def file(tmp_path) -> OnnxFile:
    (tmp_path / "net.onnx").write_bytes(to_onnx(MODEL, (8, 8)).SerializeToString())
    return OnnxFile.read(tmp_path / "net.onnx", 2)


def test_some_runtimes_read_onnx():
    assert [runtime.name for runtime in READERS] == ["onnxruntime", "openvino"]
    assert onnx_precisions(TURNING) == ()


@pytest.mark.parametrize("runtime", READERS, ids=lambda runtime: runtime.name)
def test_a_file_can_be_measured_at_any_size(runtime, file):
    for package in runtime.packages:
        pytest.importorskip(package)
    for height, width in ((20, 26), (14, 10)):
        image = photo(height, width)
        found = OnnxMethod(file, runtime, "fp32", 1).upscale(image)
        expected = NativeMethod(MODEL, 1).upscale(image)
        assert found.image.shape == (2 * height, 2 * width, 3) and found.seconds > 0
        assert np.abs(found.image.astype(int) - expected.image).max() <= 1  # rounding may differ


def test_it_runs_in_a_process_of_its_own(file):
    pytest.importorskip("onnxruntime")
    image = as_tensor(photo(12, 16))
    opener = partial(file.open_peers, RUNTIMES[0], image, 1, ["fp32"])
    with open_isolated({"net": opener}) as (peer,):
        assert peer.run().shape == (1, 3, 24, 32)


def test_files_of_another_scale_are_refused(file):
    pytest.importorskip("onnxruntime")
    wrong = OnnxFile("net", file.serialized, 3)
    with pytest.raises(InputError, match=r"net: gives \(1, 3, 16, 20\) for an image of 10x8, not x3"):
        OnnxMethod(wrong, RUNTIMES[0], "fp32", 1).upscale(photo(8, 10))


def test_files_that_are_not_image_networks_are_refused(tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(InputError, match="is not an ONNX model"):
        OnnxFile.read(path, 2)
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    value = helper.make_tensor_value_info("x", kind, [1, 3])
    graph = helper.make_graph([], "flat", [value], [value])
    path.write_bytes(helper.make_model(graph).SerializeToString())
    with pytest.raises(InputError, match="one input of the shape"):
        OnnxFile.read(path, 2)
