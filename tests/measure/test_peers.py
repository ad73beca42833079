"""Every peer runtime computes the same function as our own dense run."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import graphs
from measure.turning_peer import TURNING
from sparsesr.cli.peers import PEERS, TORCH, parse_peers
from sparsesr.errors import BackendError, ModelError, UsageError
from sparsesr.interchange.dense_model import dense_model
from sparsesr.measure.peers import peer_process
from sparsesr.measure.peers.ncnn_graph import write_ncnn
from sparsesr.measure.peers.peer_process import isolated_peers
from sparsesr.measure.peers.runtimes import open_peers
from sparsesr.modelfile.spec import Graph, Node
from sparsesr.runtime.session import Session
from support.tiny_models import photo

MODEL = graphs.smsr(16, modules=3, layers=2, seed=4)


def own_dense(image: np.ndarray, model=MODEL) -> np.ndarray:
    return Session(model, 1).run(image, dense=True, out_dtype=np.float32).image


@pytest.mark.parametrize("runtime", PEERS.values(), ids=PEERS)
@pytest.mark.parametrize(("height", "width"), [(20, 26), (9, 13)])
def test_peers_agree_with_our_dense_run(runtime, height, width):
    for package in runtime.packages:
        pytest.importorskip(package)
    image = photo(height, width)
    expected = own_dense(image)
    peers = open_peers([runtime], MODEL, image, threads=1)
    assert peers[0].precision == "fp32"
    for peer in peers:
        found = peer.run()[0].transpose(1, 2, 0)[: 2 * height, : 2 * width]
        tolerance = 2e-5 if peer.precision == "fp32" else 0.1
        assert np.abs(found - expected).max() <= tolerance * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize("runtime", PEERS.values(), ids=PEERS)
def test_peers_support_leaky_relu_and_models_without_masks(runtime):
    for package in runtime.packages:
        pytest.importorskip(package)
    model, image = graphs.plain(), photo(7, 10)
    found = open_peers([runtime], model, image, threads=1)[0].run()[0].transpose(1, 2, 0)
    np.testing.assert_allclose(found, own_dense(image, model), atol=2e-5)


def test_the_dense_form_has_no_masks_and_one_convolution_per_chain():
    dense = dense_model(MODEL)
    assert not {"masked_conv2d", "spatial_mask", "conv_transpose2x"} & {node.op for node in dense.graph.nodes}
    assert not any(node.attrs.get("accumulate") for node in dense.graph.nodes)
    joined = next(node for node in dense.graph.nodes if len(node.inputs) == 3 and node.op == "conv2d")
    assert dense.tensors[joined.weights["weight"]].shape == (16, 48, 1, 1)
    assert {name for node in dense.graph.nodes for name in node.weights.values()} == set(dense.tensors)
    image = photo(12, 14)
    np.testing.assert_allclose(
        Session(dense, 1).run(image, out_dtype=np.float32).image, own_dense(image), atol=1e-5
    )


def test_operations_without_a_rule_are_named(tmp_path):
    nodes = (Node("image", (), "image"), Node("unfold3x3", ("image",), "patches"))
    model = replace(MODEL, graph=Graph("image", "patches", nodes))
    with pytest.raises(UsageError, match="unfold3x3"):
        write_ncnn(model, tmp_path)


def test_names_are_checked(monkeypatch):
    with pytest.raises(UsageError, match="'tensorflow' is unknown; choose from torch, onnxruntime"):
        parse_peers("torch,tensorflow")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "onnx" else object())
    assert parse_peers("torch, ncnn") == [TORCH, PEERS["ncnn"]]
    with pytest.raises(BackendError, match="openvino needs the package onnx"):
        parse_peers("openvino")


def test_any_module_can_be_a_peer_in_a_process_of_its_own():
    image = photo(9, 13)
    here = open_peers([TURNING], MODEL, image, threads=1)
    padded = np.pad(image, ((0, 1), (0, 1), (0, 0)), mode="edge") / np.float32(255)
    np.testing.assert_array_equal(here[0].run()[0].transpose(1, 2, 0), padded[::-1])
    with isolated_peers([TURNING], MODEL, image, threads=1) as apart:
        assert [(peer.name, peer.mode) for peer in apart] == [(peer.name, peer.mode) for peer in here]
        for peer, same in zip(apart, here, strict=True):
            np.testing.assert_array_equal(peer.run(), same.run())
            assert peer.work() is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads the state of a process from /proc")
def test_a_peer_is_stopped_between_its_turns():
    """Threads of runtimes spin after a run, which would slow the next one."""

    def is_stopped() -> bool:
        (child,) = multiprocessing.active_children()
        for _ in range(500):  # a signal takes a moment
            if Path(f"/proc/{child.pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] == "T":
                return True
            time.sleep(0.02)
        return False

    with isolated_peers([TURNING], MODEL, photo(8, 8), 1) as apart:
        assert is_stopped()
        for peer in apart:
            peer.work()
            assert is_stopped()


def test_errors_of_a_peer_process_are_raised():
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    nodes = (Node("image", (), "image"), Node("wavelet", ("image",), "bands"))
    model = replace(MODEL, graph=Graph("image", "bands", nodes))
    with (
        pytest.raises(ModelError, match="wavelet"),
        isolated_peers([PEERS["onnxruntime"]], model, photo(8, 8), 1),
    ):
        pass


def test_the_death_of_a_peer_process_is_reported():
    with isolated_peers([TURNING], MODEL, photo(8, 8), 1) as apart:
        for child in multiprocessing.active_children():
            child.kill()
        with pytest.raises(BackendError, match="the peer turning: its process ended with status -9"):
            apart[0].run()


def test_processes_end_with_the_block_even_after_an_error(monkeypatch):
    monkeypatch.setenv("MALLOC_MMAP_MAX_", "7")
    before = dict(os.environ)
    with pytest.raises(KeyboardInterrupt), isolated_peers([TURNING], MODEL, photo(8, 8), 1):
        assert multiprocessing.active_children()
        assert dict(os.environ) == before
        raise KeyboardInterrupt
    assert not multiprocessing.active_children()


def test_peers_keep_freed_memory():
    with peer_process._environment(peer_process._ALLOCATOR):
        assert os.environ["MALLOC_TRIM_THRESHOLD_"] == str(2**40)
    assert "MALLOC_TRIM_THRESHOLD_" not in os.environ


def test_quantised_peers_print_nothing_and_stay_close(capsys):
    for name in ("openvino", "onnxruntime"):
        for package in (*PEERS[name].packages, *(["nncf"] if name == "openvino" else [])):
            pytest.importorskip(package)
        image = photo(20, 26)
        peer = next(p for p in open_peers([PEERS[name]], MODEL, image, threads=1) if p.precision == "int8")
        found = peer.run()[0].transpose(1, 2, 0)[:40, :52]
        error = np.mean((found - own_dense(image)) ** 2)
        assert 0 < error < 1e-3 * max(1.0, float(np.mean(own_dense(image) ** 2)))
    assert capsys.readouterr().out == ""
