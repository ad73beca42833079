"""``sparsesr doctor``: report CPU features, kernels, versions, models and problems."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer

from sparsesr import __version__
from sparsesr.cli.messages import print_json
from sparsesr.processor import processor_name, usable_threads

_PEAK_MS = 200


def run(
    peak: Annotated[bool, typer.Option("--peak", help="Also measure the processor's peak GFLOP/s.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Report processor, kernels, memory, versions and models; exit with 1 if there are problems."""
    problems: list[str] = []
    facts: dict[str, Any] = {
        "sparsesr": __version__,
        "processor": processor_name(),
        "threads": usable_threads(),
        "memory": _memory(),
        "native": _native(problems, with_peak=peak),
        "versions": _versions(problems),
        "models": _models(problems),
        "variables": {key: value for key, value in os.environ.items() if key.startswith("SPARSESR_")},
    }
    facts["problems"] = problems
    if as_json:
        print_json(facts)
    else:
        _print(facts)
    return 1 if problems else 0


def _memory() -> dict[str, int]:
    """Total and available bytes; empty if the system does not report them."""
    wanted = {"MemTotal": "total_bytes", "MemAvailable": "available_bytes"}
    found: dict[str, int] = {}
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii", errors="replace").splitlines():
            key, _, rest = line.partition(":")
            if key in wanted:
                found[wanted[key]] = int(rest.split()[0]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return found


def _native(problems: list[str], *, with_peak: bool) -> dict[str, Any]:
    try:
        from sparsesr import _native as native
    except ImportError as error:
        problems.append(f"the native extension does not load ({error}); reinstall sparsesr")
        return {}
    facts: dict[str, Any] = {
        "instruction_sets": native.cpu_features(),
        "features": native.processor_features(),
        "amx": native.amx_refusal() or "usable",
        "kernels": dict(native.kernel_table()),
    }
    facts["bf16"] = _bf16(native.has_fast_bf16(), native.kernel_table()["conv_bf16"])
    if with_peak:
        facts |= _peaks(native.multiply_add_peak, with_bf16=native.has_fast_bf16())
    return facts


def _peaks(measure: Callable[[str, int, int], float], *, with_bf16: bool) -> dict[str, float]:
    """Multiply-add peak in GFLOP/s by number of threads, in fp32 and, where supported, in bf16."""
    threads = sorted({1, usable_threads()})
    dtypes = {"f32": "", "bf16": "_bf16"} if with_bf16 else {"f32": ""}
    return {
        f"peak{suffix}_gflops_{count}_thread{'s' if count > 1 else ''}": round(
            measure(dtype, count, _PEAK_MS), 1
        )
        for dtype, suffix in dtypes.items()
        for count in threads
    }


def _bf16(is_fast: bool, kernel: str) -> str:
    """Effect of ``--precision bf16`` and ``auto`` on this processor."""
    if not is_fast:
        return "not supported by this processor; --precision bf16 and auto run in fp32"
    from sparsesr.runtime.precision import MAX_COST_DB, MIN_GAIN, bf16_gain

    fast = f"bf16 for models that lose at most {MAX_COST_DB:g} dB, fp32 for others"
    chosen = fast if bf16_gain() >= MIN_GAIN else "fp32"
    unit = "AMX" if kernel.endswith("__amx_bf16") else "vectors"
    return f"multiplies {bf16_gain():.1f} times as fast as fp32, by {unit}; --precision auto runs in {chosen}"


def _versions(problems: list[str]) -> dict[str, str]:
    versions = {"python": platform.python_version(), "system": platform.platform()}
    for package in ("numpy", "pyvips", "safetensors", "typer", "rich"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            problems.append(f"the package {package} is missing; pip install {package}")
    try:
        import pyvips

        versions["libvips"] = ".".join(str(pyvips.version(part)) for part in range(3))
    except Exception as error:
        problems.append(f"libvips does not load ({error}); pip install pyvips-binary")
    return versions


def _models(problems: list[str]) -> list[dict[str, Any]]:
    from sparsesr.errors import SparsesrError
    from sparsesr.modelfile import catalogue

    rows: list[dict[str, Any]] = []
    try:
        entries = catalogue.list_models()
    except SparsesrError as error:
        problems.append(str(error))
        return rows
    for entry in entries:
        row: dict[str, Any] = {"name": entry.name, "origin": entry.origin, "ok": True}
        try:
            model = catalogue.verify(entry)
            row["scale"] = model.facts.scale
            row["bf16_costs"] = [asdict(cost) for cost in model.facts.bf16_costs]
        except SparsesrError as error:
            row["ok"] = False
            problems.append(f"model {entry.name}: {error}")
        rows.append(row)
    if not any(row["origin"] == catalogue.BUNDLED for row in rows):
        problems.append("the bundled models are missing; reinstall sparsesr, or import a model")
    return rows


def _state(row: dict[str, Any]) -> str:
    if not row["ok"]:
        return "DAMAGED"
    worst = max((cost["worst_db"] for cost in row["bf16_costs"]), default=None)
    if worst is None:
        return f"ok; cost of bf16 not measured (run `sparsesr models measure {row['name']}`), so auto runs in fp32"
    return f"ok; bf16 costs at most {max(worst, 0):.4f} dB"


def _print(facts: dict[str, Any]) -> None:
    memory, native = facts["memory"], facts["native"]
    print(f"sparsesr      {facts['sparsesr']}")
    print(f"processor     {facts['processor']}, {facts['threads']} threads usable")
    if len(memory) == 2:
        total, available = memory["total_bytes"] / 2**30, memory["available_bytes"] / 2**30
        print(f"memory        {available:.1f} of {total:.1f} GiB available")
    print(f"instructions  {', '.join(native.get('instruction_sets', [])) or 'unknown'}")
    print(f"features      {', '.join(native.get('features', [])) or 'none'}")
    print(f"AMX           {native.get('amx', 'unknown')}")
    for operation, kernel in native.get("kernels", {}).items():
        print(f"  {operation:<22} {kernel}")
    if "bf16" in native:
        print(f"bf16          {native['bf16']}")
    for key, value in native.items():
        if key.startswith("peak"):
            print(f"{key.replace('_', ' ')}: {value}")
    print("versions      " + ", ".join(f"{name} {version}" for name, version in facts["versions"].items()))
    for row in facts["models"]:
        print(f"model         {row['name']} ({row['origin']}): {_state(row)}")
    for key, value in facts["variables"].items():
        print(f"variable      {key}={value}")
    for problem in facts["problems"]:
        print(f"error: {problem}", file=sys.stderr)
    print("problems found, see above" if facts["problems"] else "no problems found")
