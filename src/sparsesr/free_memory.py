"""Memory that this process can still get: of the machine, its control groups, and its own resource limits."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sparsesr.limits import DEFAULT_MEMORY_BYTES

_SHARE = 2
"""Half is left to other programs, to threads' stacks and to what libraries allocate on their own."""
_ROOT = Path("/")
_V2 = ("memory.max", "memory.current", "inactive_file")
_V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def default_memory_bytes() -> int:
    """Limit for the whole process if the caller states none: what it has, and half of what it can still get."""
    free = free_bytes()
    return DEFAULT_MEMORY_BYTES if free is None else resident_bytes() + free // _SHARE


def free_bytes(root: Path = _ROOT) -> int | None:
    """Bytes that this process can still allocate; None if the system does not say. ``root`` holds proc and sys."""
    known = [*_free_in_machine(root), *_free_in_groups(root), *_free_in_limits(root)]
    return max(min(known), 0) if known else None


def resident_bytes(root: Path = _ROOT) -> int:
    """Bytes of memory in use by this process; 0 if the system does not say."""
    pages = _text(root / "proc/self/statm").split()
    return int(pages[1]) * os.sysconf("SC_PAGE_SIZE") if len(pages) > 1 else 0


def _free_in_machine(root: Path) -> Iterator[int]:
    for line in _text(root / "proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024
            return
    with suppress(ValueError, OSError):  # not Linux: at least never more than there is
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _free_in_limits(root: Path) -> Iterator[int]:
    """What ``ulimit -v`` and ``ulimit -d`` leave."""
    status = dict(line.split(":", 1) for line in _text(root / "proc/self/status").splitlines() if ":" in line)
    for limit, field in ((resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData")):
        most = resource.getrlimit(limit)[0]
        if most != resource.RLIM_INFINITY:
            used = status.get(field, "0 kB").split()
            yield most - int(used[0]) * 1024


def _free_in_groups(root: Path) -> Iterator[int]:
    """What the control groups of this process and the groups around them leave, in version 1 or 2."""
    groups = [
        line.split(":", 2) for line in _text(root / "proc/self/cgroup").splitlines() if line.count(":") >= 2
    ]
    for _, controllers, group in groups:
        if controllers == "":
            names, mounted = _V2, _mounts(root, "cgroup2", "")
        elif "memory" in controllers.split(","):
            names, mounted = _V1, _mounts(root, "cgroup", "memory")
        else:
            continue
        for mount, top in mounted:
            for folder in _upwards(mount, top, group):
                yield from _free_in_group(folder, names)


def _mounts(root: Path, kind: str, controller: str) -> Iterator[tuple[Path, str]]:
    """(folder, group at its top) of mounted hierarchies; the format is in proc_pid_mountinfo(5)."""
    for line in _text(root / "proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        fields, filesystem = left.split(), right.split()
        if len(fields) < 5 or len(filesystem) < 3 or filesystem[0] != kind:
            continue
        if not controller or controller in filesystem[2].split(","):
            yield root / fields[4].lstrip("/"), fields[3]


def _upwards(mount: Path, top: str, group: str) -> Iterator[Path]:
    """The folder of a group and those of the groups around it; the top alone if the group is outside."""
    inside = group.removeprefix(top.rstrip("/")).strip("/") if group.startswith(top.rstrip("/")) else ""
    folder = mount / inside
    while folder != mount:
        yield folder
        folder = folder.parent
    yield mount


def _free_in_group(folder: Path, names: tuple[str, str, str]) -> Iterator[int]:
    limit, usage, cache = names
    most, used = _number(folder / limit), _number(folder / usage)
    if most is None or used is None:
        return
    stat = dict(line.split() for line in _text(folder / "memory.stat").splitlines() if line.count(" ") == 1)
    yield most - used + int(stat.get(cache, 0))  # cached files are dropped when memory is needed


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None  # "max": no limit


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
