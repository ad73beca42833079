"""Quality of bundled models on image sets, written into their cards and docs/models.md.

    python benchmarks/model_quality.py --data FOLDER [--model skim_fast_x2 ...] [--threads 2]

FOLDER holds Set5/HR and so on, as for ``sparsesr eval``. Models that are not measured keep their rows.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import record

from sparsesr.measure.native import open_method
from sparsesr.measure.protocol import find_sets
from sparsesr.measure.quality import evaluate
from sparsesr.modelfile.catalogue import bundled_models_dir, list_models, load

RESULT = "model_quality"
SETS = ("Set5", "Set14", "B100", "Urban100")
NOISE_MODELS = frozenset({"noise_x2", "acnet_noise_x2"})
"""Trained for noisy images, which ``noisy_photos.py`` measures."""
BEGIN, END = "<!-- measured by benchmarks/model_quality.py -->", "<!-- end -->"
PAGE = Path(__file__).parents[1] / "docs/models.md"
Row = Mapping[str, float]


def main() -> None:
    """Measure, merge with the earlier result, and rewrite the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", action="append", help="repeatable; default: all bundled models")
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    bundled = [
        entry.name for entry in list_models() if entry.origin == "bundled" and entry.name not in NOISE_MODELS
    ]
    path = record.RESULTS / f"{RESULT}.json"
    models: dict[str, Any] = json.loads(path.read_text("utf-8"))["models"] if path.exists() else {}
    for name in chosen.model or bundled:
        models[name] = {set_name: _measured(name, set_name, chosen) for set_name in SETS}
    models = {name: models[name] for name in bundled if name in models}
    command = f"benchmarks/model_quality.py --data FOLDER --threads {chosen.threads}"
    record.write(RESULT, {**record.circumstances(command), "models": models})
    for name, rows in models.items():
        replace(bundled_models_dir() / f"{name}.md", card_table(rows, load(name).facts.scale))
    replace(PAGE, page_table(models))


def _measured(name: str, set_name: str, chosen: argparse.Namespace) -> Row:
    """Means over a set, and those of bicubic interpolation."""
    method = open_method(name, chosen.threads)
    scale = method.model.facts.scale
    (images,) = find_sets(chosen.data, scale, [set_name])
    result = evaluate(method, images)
    row = {field: result.mean(field) for field in ("psnr_y", "ssim_y", "density", "macs")}
    print(f"{name:<14} {set_name:<9} {row['psnr_y']:.3f} dB at density {row['density']:.3f}", flush=True)
    return {**row, **_bicubic(chosen.data, set_name, scale)}


@cache
def _bicubic(data: Path, set_name: str, scale: int) -> Row:
    """The same of bicubic interpolation, measured once for all models of a scale."""
    (images,) = find_sets(data, scale, [set_name])
    result = evaluate(open_method("bicubic", scale=scale), images)
    return {f"bicubic_{field}": result.mean(field) for field in ("psnr_y", "ssim_y")}


def card_table(rows: Mapping[str, Row], scale: int) -> list[str]:
    """Lines of the table in a card."""
    head = f"| set, x{scale} | PSNR-Y | SSIM-Y | density | GMAC | bicubic PSNR-Y / SSIM-Y |"
    return [head, "|---" * 6 + "|", *(_card_row(name, row) for name, row in rows.items())]


def _card_row(name: str, row: Row) -> str:
    quality = f"{row['psnr_y']:.2f} dB | {row['ssim_y']:.4f}"
    bicubic = f"{row['bicubic_psnr_y']:.2f} dB / {row['bicubic_ssim_y']:.4f}"
    return f"| {name} | {quality} | {row['density']:.2f} | {row['macs'] / 1e9:.1f} | {bicubic} |"


def page_table(models: Mapping[str, Mapping[str, Row]]) -> list[str]:
    """Lines of the table of all models: PSNR-Y in dB, density in parentheses."""
    lines = ["| model | " + " | ".join(SETS) + " |", "|---" * (1 + len(SETS)) + "|"]
    for name, rows in models.items():
        cells = (f"{rows[s]['psnr_y']:.2f} ({rows[s]['density']:.2f})" for s in SETS)
        lines.append(f"| [`{name}`](../src/sparsesr/models/{name}.md) | " + " | ".join(cells) + " |")
    return lines


def replace(path: Path, lines: Sequence[str], begin: str = BEGIN, end: str = END) -> None:
    """Put lines between the two marks of a document."""
    before, _, rest = path.read_text("utf-8").partition(f"{begin}\n")
    _, mark, after = rest.partition(end)
    if not mark:
        raise SystemExit(f"{path}: add the lines '{begin}' and '{end}' where the table belongs")
    path.write_text(before + "\n".join([begin, *lines, end]) + after, "utf-8")


if __name__ == "__main__":
    main()
