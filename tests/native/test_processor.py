"""Instruction sets, the kernel table, the measured peak, and the thread pool."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from native_cases import make_window, random_map

from sparsesr import _native as native

ALL = ["scalar", "avx2", "avx512", "avx512_bf16"]


def test_cpu_features__ascend() -> None:
    features = native.cpu_features()
    assert features == ALL[: len(features)]


def test_kernel_table__names_say_dtype_and_instruction_set(isa: str) -> None:
    table = native.kernel_table()
    assert set(table) >= {"conv", "mask", "bicubic", "peak"}
    for name in table.values():
        found = name.rpartition("__")[2]
        assert name.startswith(("f32_", "bf16_", "fill_pixels__"))
        assert ALL.index(found) <= ALL.index(isa)
    assert table["conv"].endswith(f"__{min(isa, 'avx512', key=ALL.index)}")
    assert native.has_fast_bf16() == table["conv_bf16"].endswith("__avx512_bf16")
    with pytest.raises(ValueError, match="choose f32 or bf16"):
        native.multiply_add_peak("f64")


def test_set_cpu__refuses_unknown_names() -> None:
    with pytest.raises(ValueError, match="unknown instruction set"):
        native.set_cpu("sse9")


@pytest.mark.parametrize(
    ("value", "expected"), [("scalar", "['scalar']"), ("", "['scalar'"), ("mmx", "SPARSESR_CPU: unknown")]
)
def test_environment__forces_the_instruction_set_down(value: str, expected: str) -> None:
    code = "import sparsesr._native as n\ntry: print(n.cpu_features())\nexcept ValueError as e: print(e)"
    environment = os.environ | {"SPARSESR_CPU": value}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.startswith(expected)


def test_multiply_add_peak__is_positive(isa: str) -> None:
    assert native.multiply_add_peak("f32", threads=2, ms=2) > 0
    assert native.multiply_add_peak("bf16", threads=2, ms=2) > 0
    with pytest.raises(ValueError, match="'ms'"):
        native.multiply_add_peak("f32", threads=1, ms=0)


def dense_job(seed: int, threads: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = random_map(rng, 12, 40, 16)
    weight = rng.standard_normal((16, 16, 3, 3)).astype(np.float32)
    out = np.zeros((12, 42, 16), np.float32)
    native.conv_rows(
        native.PackedConv(weight, None, [16]), [(make_window(x), -1)], out, 0, 0, 12, threads=threads
    )
    return out


def test_pool__serves_several_callers_at_once() -> None:
    expected = [dense_job(seed, 1) for seed in range(4)]
    with ThreadPoolExecutor(4) as callers:
        results = list(callers.map(lambda i: dense_job(i % 4, 3), range(200)))
    for i, result in enumerate(results):
        assert np.array_equal(result, expected[i % 4])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_pool__works_in_a_forked_child() -> None:
    code = (
        "import os, numpy as np, sparsesr._native as n\n"
        "x, out = np.ones((9, 34, 16), np.float32), np.zeros((7, 34, 16), np.float32)\n"
        "p = n.PackedConv(np.ones((16, 16, 3, 3), np.float32), None, [16])\n"
        "def run(): n.conv_rows(p, [(x, -1)], out, 0, 0, 7, threads=3)\n"
        "run()\n"
        "pid = os.fork()\n"
        "run()\n"
        "assert (out[:, 1:-1] == 144).all()\n"
        "if pid == 0: os._exit(0)\n"
        "assert os.waitpid(pid, 0)[1] == 0\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=30)


def test_set_cpu__is_for_one_thread_and_tells_what_was_forced() -> None:
    def force() -> None:
        seen.append(native.set_cpu("scalar"))
        seen.append(native.set_cpu(None))

    seen: list[str | None] = []
    best = native.kernel_table()
    thread = threading.Thread(target=force)
    thread.start()
    thread.join()
    assert seen == [None, "scalar"]
    native.set_cpu("scalar")
    try:
        thread = threading.Thread(target=lambda: seen.append(native.kernel_table()["conv"]))
        thread.start()
        thread.join()
    finally:
        native.set_cpu(None)
    assert seen[-1] == best["conv"]
