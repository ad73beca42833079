"""Memory that a process can still get, from the files of fake systems and from real limits."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from sparsesr import free_memory
from sparsesr.free_memory import default_memory_bytes, free_bytes, resident_bytes

MIB = 1024 * 1024
UNLIMITED_V1 = 9223372036854771712


def system(root: Path, files: dict[str, str]) -> Path:
    """A machine with 1000 MiB available, and further files."""
    for name, text in {"proc/meminfo": f"MemTotal: 9 kB\nMemAvailable: {1000 * 1024} kB\n", **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def v2(
    group: str, limit: str, used: int, cache: int = 0, top: str = "/", at: str = "/sys/fs/cgroup"
) -> dict[str, str]:
    """A control group of version 2; ``group`` as seen in the file system of groups."""
    folder = f"sys/fs/cgroup/{group}".rstrip("/")
    return {
        "proc/self/mountinfo": f"30 24 0:26 {top} {at} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
        f"{folder}/memory.max": f"{limit}\n",
        f"{folder}/memory.current": f"{used * MIB}\n",
        f"{folder}/memory.stat": f"anon 5\ninactive_file {cache * MIB}\n",
    }


def v1(group: str, limit: int, used: int, cache: int = 0, top: str = "/") -> dict[str, str]:
    folder = f"sys/fs/cgroup/memory/{group}".rstrip("/")
    mounts = (
        "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
        f"35 31 0:32 {top} /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
        "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
    )
    return {
        "proc/self/mountinfo": mounts,
        f"{folder}/memory.limit_in_bytes": f"{limit}\n",
        f"{folder}/memory.usage_in_bytes": f"{used * MIB}\n",
        f"{folder}/memory.stat": f"cache 7\ntotal_inactive_file {cache * MIB}\n",
    }


def in_group(text: str) -> dict[str, str]:
    return {"proc/self/cgroup": text}


CASES = {
    "no group": ({}, 1000),
    "v2": ({**in_group("0::/a/b\n"), **v2("a/b", str(500 * MIB), 200)}, 300),
    "v2 with cached files": ({**in_group("0::/a/b\n"), **v2("a/b", str(500 * MIB), 200, 50)}, 350),
    "v2 of the group around": ({**in_group("0::/a/b\n"), **v2("a", str(400 * MIB), 100)}, 300),
    "v2 without a limit": ({**in_group("0::/a\n"), **v2("a", "max", 100)}, 1000),
    "v2 above the machine": ({**in_group("0::/a\n"), **v2("a", str(9000 * MIB), 100)}, 1000),
    "v2 in a container": ({**in_group("0::/\n"), **v2("", str(600 * MIB), 100)}, 500),
    "v2 mounted below": (
        {**in_group("0::/docker/id/x\n"), **v2("x", str(600 * MIB), 100, top="/docker/id")},
        500,
    ),
    "v2 of another namespace": ({**in_group("0::/../other\n"), **v2("", str(600 * MIB), 100)}, 500),
    "v1": ({**in_group("9:cpu:/\n4:memory:/a/b\n"), **v1("a/b", 500 * MIB, 200)}, 300),
    "v1 with cached files": ({**in_group("4:memory:/a\n"), **v1("a", 500 * MIB, 200, 60)}, 360),
    "v1 without a limit": ({**in_group("4:memory:/a\n"), **v1("a", UNLIMITED_V1, 200)}, 1000),
    "v1 in a container": (
        {**in_group("4:cpu,memory:/docker/id\n"), **v1("", 300 * MIB, 100, top="/docker/id")},
        200,
    ),
    "v1 beside an empty v2": ({**in_group("4:memory:/a\n0::/\n"), **v1("a", 300 * MIB, 100)}, 200),
    "used up": ({**in_group("4:memory:/a\n"), **v1("a", 300 * MIB, 400)}, 0),
    "damaged": ({**in_group("nonsense\n0::/a\n"), **v2("a", "", 100)}, 1000),
}


@pytest.mark.parametrize("case", CASES)
def test_the_smallest_of_what_is_free_counts(tmp_path, case):
    files, expected = CASES[case]
    assert free_bytes(system(tmp_path, files)) == expected * MIB


def test_resource_limits_count(tmp_path, monkeypatch):
    limits = {resource.RLIMIT_AS: 700 * MIB, resource.RLIMIT_DATA: resource.RLIM_INFINITY}
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (limits[kind], -1))
    root = system(
        tmp_path, {"proc/self/status": f"Name:\tpython\nVmSize:\t{100 * 1024} kB\nVmData:\t{50 * 1024} kB\n"}
    )
    assert free_bytes(root) == 600 * MIB
    limits[resource.RLIMIT_DATA] = 300 * MIB
    assert free_bytes(root) == 250 * MIB


def test_a_system_that_says_nothing(tmp_path, monkeypatch):
    def silent(_name):
        raise ValueError

    monkeypatch.setattr(os, "sysconf", silent)
    assert free_bytes(tmp_path) is None
    assert resident_bytes(tmp_path) == 0
    monkeypatch.setattr(free_memory, "free_bytes", lambda: None)
    assert default_memory_bytes() == 2 * 1024 * MIB


def test_the_default_leaves_half_to_others(monkeypatch):
    monkeypatch.setattr(free_memory, "free_bytes", lambda: 600 * MIB)
    monkeypatch.setattr(free_memory, "resident_bytes", lambda: 100 * MIB)
    assert default_memory_bytes() == 400 * MIB


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_a_real_limit_on_addresses():
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30));"
        "from sparsesr.free_memory import *; print(free_bytes(), resident_bytes())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    free, resident = map(int, done.stdout.split())
    assert 0 < resident < 2**30 and free <= 2**30 - resident
