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

ALL = ["scalar", "avx2", "avx2_vnni", "avx512", "avx512_vnni", "avx512_bf16", "amx"]


def test_cpu_features__ascend() -> None:
    features = native.cpu_features()
    assert features == [name for name in ALL if name in features] and features[0] == "scalar"


def test_kernel_table__names_contain_dtype_and_instruction_set(isa: str) -> None:
    table = native.kernel_table()
    assert set(table) >= {"conv", "mask", "bicubic", "peak"}
    for name in table.values():
        found = name.rpartition("__")[2].replace("amx_bf16", "amx").replace("amx_int8", "amx")
        assert name.startswith(("f32_", "bf16_", "u8_", "fill_pixels__", "mask_lists__", "mask_borders__"))
        assert ALL.index(found) <= ALL.index(isa)
    exact = [name for name in ("scalar", "avx2", "avx512") if ALL.index(name) <= ALL.index(isa)]
    assert table["conv"].endswith(f"__{exact[-1]}")
    assert native.has_fast_int8() == (not table["conv_u8"].endswith("__scalar"))
    assert native.has_fast_bf16() == (not table["conv_bf16"].endswith("__scalar"))
    with pytest.raises(ValueError, match="choose f32, bf16 or u8"):
        native.multiply_add_peak("f64")


def test_set_cpu__refuses_unknown_names() -> None:
    with pytest.raises(ValueError, match="unknown instruction set"):
        native.set_cpu("sse9")


@pytest.mark.parametrize(
    ("value", "expected"), [("scalar", "['scalar']"), ("", "['scalar'"), ("mmx", "SPARSESR_CPU: unknown")]
)
def test_environment__lowers_the_instruction_set(value: str, expected: str) -> None:
    code = "import sparsesr._native as n\ntry: print(n.cpu_features())\nexcept ValueError as e: print(e)"
    environment = os.environ | {"SPARSESR_CPU": value}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.startswith(expected)


def test_processor_features__match_the_instruction_set(isa: str) -> None:
    features = set(native.processor_features())
    assert (isa == "scalar") == (not features)
    assert ("fma" in features) == (ALL.index(isa) >= ALL.index("avx2"))
    assert ("avx512bw" in features) == (ALL.index(isa) >= ALL.index("avx512"))
    for name, feature in (("avx2_vnni", "avx_vnni"), ("avx512_vnni", "avx512_vnni")):
        assert feature not in features or ALL.index(isa) >= ALL.index(name)
        assert isa != name or feature in features
    assert ("amx_tile" in features) == (isa == "amx")


def run_python(code: str, **variables: str) -> str:
    """Output of a new process, which has not loaded the native module yet."""
    environment = os.environ | variables
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


needs_amx = pytest.mark.skipif(native.amx_refusal() is not None, reason=f"{native.amx_refusal()}")
PERMITTED = "import ctypes; bits = ctypes.c_uint64(); libc = ctypes.CDLL(None); print(libc.syscall(158, 0x1022, ctypes.byref(bits)) or bits.value >> 18 & 1)"  # noqa: E501
"""Prints whether the process has requested tiles: arch_prctl(ARCH_GET_XCOMP_PERM)."""


@needs_amx
@pytest.mark.parametrize(("cpu", "permitted"), [("avx512_bf16", "0"), ("amx", "1"), ("", "1")])
def test_amx__is_requested_only_where_it_may_be_used(cpu: str, permitted: str) -> None:
    code = f"import sparsesr._native as n; n.kernel_table(); {PERMITTED}"
    assert run_python(code, SPARSESR_CPU=cpu) == permitted


@needs_amx
def test_amx__falls_back_to_the_next_set_if_refused() -> None:
    """The system refuses tiles to a process whose signal stack is too small for them."""
    code = (
        "import ctypes\n"
        "class Stack(ctypes.Structure):\n"
        "    _fields_ = [('sp', ctypes.c_void_p), ('flags', ctypes.c_int), ('size', ctypes.c_size_t)]\n"
        "memory = ctypes.create_string_buffer(4096)\n"
        "stack = Stack(ctypes.addressof(memory), 0, 4096)\n"
        "assert ctypes.CDLL(None).sigaltstack(ctypes.byref(stack), None) == 0\n"
        "import sparsesr._native as n\n"
        "print(n.cpu_features()[-1], n.amx_refusal())\n"
        "try: n.set_cpu('amx')\n"
        "except ValueError as error: print(error)\n"
    )
    lines = run_python(code, SPARSESR_CPU="").splitlines()
    assert lines[0].startswith("avx512_bf16 the system refuses AMX to this process: ")
    assert "the best is 'avx512_bf16'" in lines[1]


def test_multiply_add_peak__is_positive(isa: str) -> None:
    assert native.multiply_add_peak("f32", threads=2, ms=2) > 0
    assert native.multiply_add_peak("bf16", threads=2, ms=2) > 0
    assert native.multiply_add_peak("u8", threads=2, ms=2) > 0
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


def test_set_cpu__is_per_thread_and_returns_the_previous_set() -> None:
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
