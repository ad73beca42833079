"""``sparsesr doctor``: report CPU features, kernels, versions, models and problems."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer

from sparsesr import __version__
from sparsesr.cli.messages import print_json
from sparsesr.cli.shared_options import TOKEN_VARIABLE
from sparsesr.errors import unexpected
from sparsesr.extras import libvips_fault
from sparsesr.modelfile.precision_cost import REDUCED_PRECISIONS, key_of
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
        "native": {},
        "versions": {},
        "models": [],
        "variables": _variables(),
        "problems": problems,
    }
    examine = {"native": partial(_native, with_peak=peak), "versions": _versions, "models": _models}
    for part, examined in examine.items():
        try:
            facts[part] = examined(problems)
        except MemoryError as error:
            problems.append(f"{part}: {unexpected(error)}")
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


def _variables() -> dict[str, str]:
    """The environment variables of sparsesr, without the secret: reports are passed on."""
    found = {key: value for key, value in os.environ.items() if key.startswith("SPARSESR_")}
    return found | ({TOKEN_VARIABLE: "set"} if found.get(TOKEN_VARIABLE) else {})


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
    for precision, kernel in (("bf16", "conv_bf16"), ("int8", "conv_u8")):
        facts[precision] = _effect(precision, native.kernel_table()[kernel])
    if with_peak:
        facts |= _peaks(native.multiply_add_peak)
    return facts


def _peaks(measure: Callable[[str, int, int], float]) -> dict[str, float]:
    """Multiply-add peak in GFLOP/s by number of threads, in fp32 and the other supported precisions."""
    from sparsesr.runtime.precision import DTYPES, has_instructions

    threads = sorted({1, usable_threads()})
    dtypes = {"f32": "", **{DTYPES[p]: f"_{p}" for p in DTYPES if has_instructions(p)}}
    return {
        f"peak{suffix}_gflops_{count}_thread{'s' if count > 1 else ''}": round(
            measure(dtype, count, _PEAK_MS), 1
        )
        for dtype, suffix in dtypes.items()
        for count in threads
    }


def _effect(precision: str, kernel: str) -> str:
    """Effect of ``--precision bf16`` or ``int8`` and of ``auto`` on this processor."""
    from sparsesr.runtime.precision import MAX_COST_DB, MIN_GAIN, gain, has_instructions

    if not has_instructions(precision):
        return f"not supported by this processor; --precision {precision} and auto run in fp32"
    allowed = f"takes it for models that lose at most {MAX_COST_DB[precision]:g} dB, unless another is faster"
    chosen = allowed if gain(precision) >= MIN_GAIN else "does not take it"
    unit = "tiles of AMX" if "__amx" in kernel else "vectors"
    return f"by {unit}: multiplies {gain(precision):.1f} times as fast as fp32; --precision auto {chosen}"


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
    except MemoryError:
        raise
    except Exception as error:
        problems.append(str(libvips_fault(error)))
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
            for precision in REDUCED_PRECISIONS:
                row[key_of(precision)] = [asdict(cost) for cost in model.facts.costs(precision)]
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
    worst = {
        precision: max((cost["worst_db"] for cost in row[key_of(precision)]), default=None)
        for precision in REDUCED_PRECISIONS
    }
    costs = [f"{name} costs at most {max(db, 0):.4f} dB" for name, db in worst.items() if db is not None]
    unknown = [name for name, db in worst.items() if db is None]
    advice = {
        "bf16": f"`sparsesr models measure {row['name']}`",
        "int8": f"`sparsesr models quantize {row['name']}`",
    }
    missing = [
        f"cost of {name} not measured (run {advice[name]}), so auto does not take it" for name in unknown
    ]
    return "; ".join(["ok", *costs, *missing])


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
    for precision in REDUCED_PRECISIONS:
        if precision in native:
            print(f"{precision:<13} {native[precision]}")
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
