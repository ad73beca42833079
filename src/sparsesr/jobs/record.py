"""JSON records of jobs: the result for a file, or the reason for its failure."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sparsesr.engine.result import UpscaleResult
from sparsesr.errors import Naming, SparsesrError
from sparsesr.image.source import printable
from sparsesr.jobs.batch import Skipped
from sparsesr.jobs.files import FileResult


def names(**files: Path | str) -> dict[str, Any]:
    """Names of files. One that is not UTF-8, which JSON cannot hold, is shown, and given in hex as ``<key>_bytes``."""
    record: dict[str, Any] = {}
    for key, file in files.items():
        raw = os.fsencode(file)
        try:
            record[key] = raw.decode("utf-8")
        except UnicodeDecodeError:
            record |= {key: printable(file), f"{key}_bytes": raw.hex()}
    return record


def record_of(done: FileResult, source: Path | str, target: Path | str) -> dict[str, Any]:
    """Record of a result."""
    (height, width), result = done.size, done.upscaled
    stats = result.stats
    return {
        **names(input=source, output=target),
        "width": width,
        "height": height,
        "output_width": result.size[1],
        "output_height": result.size[0],
        "jpeg_quality": done.jpeg_quality,
        "model": done.model,
        "scale": _scale(result, height),
        "passes": [asdict(each) for each in result.passes],
        "resized": result.is_resized,
        "precision": done.precision,
        "precision_reason": done.precision_reason,
        "seconds": round(result.seconds, 4),
        "network_seconds": round(stats.total_ms / 1000, 4),
        "effort": result.effort,
        "target": None if result.target is None else asdict(result.target),
        "budget": None if done.share is None else asdict(done.share),
        "macs": stats.macs,
        "macs_dense": stats.macs_dense,
        "macs_saved": stats.macs_saved_fraction,
        "density": stats.density,
        "densities": dict(stats.densities),
        "mode": result.plan.mode.value,
        "planned_peak_bytes": result.plan.peak_bytes,
        "tiles": len(result.plan.tiles),
        "deviation": None if result.deviation is None else asdict(result.deviation),
        "notes": list(result.notes),
    }


def _scale(result: UpscaleResult, height: int) -> int | float:
    scale = result.size[0] / height
    return int(scale) if scale == int(scale) else round(scale, 6)


def skip_record(skipped: Skipped, source: Path | str, target: Path | str) -> dict[str, Any]:
    """Record of a file that needed no work."""
    return {**names(input=source, output=target), "skipped": skipped.reason}


def failure_record(error: SparsesrError, source: Path | str, named: Naming = str) -> dict[str, Any]:
    """Record of a failure; ``named`` maps parameters to the names that the reader knows."""
    failure = {"code": error.code, "message": error.line(named), "exit_status": error.exit_status}
    return {**names(input=source), "error": failure}
