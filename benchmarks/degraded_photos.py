"""Shared by the studies of degraded photographs: all methods on all sets, and the table in docs/models.md."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import record
from model_quality import replace

from sparsesr.image.metrics import psnr_y
from sparsesr.measure.method import Method
from sparsesr.measure.native import open_method
from sparsesr.measure.protocol import EvaluationSet, Pair, Pixels, find_sets

DENOISED = "denoised"
PAGE = Path(__file__).parents[1] / "docs/models.md"
Cells = dict[str, dict[str, float]]
"""PSNR-Y in dB and density of each method."""


class Degradation(NamedTuple):
    """A column of the table for every set."""

    name: str
    pairs: list[Pair]
    denoisers: Iterable[Callable[[Pixels], Pixels]]


class Study(NamedTuple):
    """A study and where its results go."""

    script: str
    degradations: Callable[[EvaluationSet, int], Iterator[Degradation]]
    """Those of a set at a scale."""
    end: str
    """The line after the table."""

    def run(self, doc: str) -> None:
        """Measure all methods on all sets, as the command line says, and rewrite the table."""
        chosen = _options(doc)
        models = {name: open_method(name, chosen.threads) for name in chosen.model}
        scale = models[chosen.model[0]].model.facts.scale
        methods = {"bicubic": open_method("bicubic", chosen.threads, scale=scale), **models}
        results: dict[str, Cells] = {}
        for folder in chosen.data:
            (images,) = find_sets(folder, scale)
            for name, pairs, denoisers in self.degradations(images, scale):
                column = f"{images.name} {name}"
                results[column] = _measured(pairs, methods, chosen.model[0], denoisers)
                shown = {method: round(cell["psnr_y"], 2) for method, cell in results[column].items()}
                print(column, shown, flush=True)
        command = f"benchmarks/{self.script}.py --data FOLDER --model {' --model '.join(chosen.model)}"
        record.write(f"{self.script}_x{scale}", {**record.circumstances(command), "columns": results})
        begin = f"<!-- measured by benchmarks/{self.script}.py, x{scale} -->"
        replace(PAGE, _table(results), begin, self.end)


def _options(doc: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument(
        "--model", action="append", required=True, help="repeatable; the first one follows the denoiser"
    )
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def _measured(
    pairs: list[Pair], methods: dict[str, Method], first: str, denoisers: Iterable[Callable[[Pixels], Pixels]]
) -> Cells:
    """Means over a set, and those of method ``first`` after the best of some denoisers."""
    cells = {name: _mean(method, pairs) for name, method in methods.items()}
    means = (
        _mean(methods[first], [Pair(denoise(pair.lr), pair.hr) for pair in pairs]) for denoise in denoisers
    )
    cells[DENOISED] = max(means, key=lambda cell: cell["psnr_y"])
    return cells


def _mean(method: Method, pairs: list[Pair]) -> dict[str, float]:
    done = [(method.upscale(pair.lr), pair.hr) for pair in pairs]
    scale = method.model.facts.scale
    return {
        "psnr_y": float(np.mean([psnr_y(each.image, hr, scale) for each, hr in done])),
        "density": float(np.mean([each.density for each, _ in done])),
    }


def rounded(image: np.ndarray) -> Pixels:
    """8-bit pixels of an image in 0..1."""
    return np.rint(image * 255).clip(0, 255).astype(np.uint8)


def _table(results: dict[str, Cells]) -> list[str]:
    """Lines of the table: a row for each method, PSNR-Y in dB."""
    lines = ["| | " + " | ".join(results) + " |", "|---" * (1 + len(results)) + "|"]
    for name in next(iter(results.values())):
        cells = (f"{column[name]['psnr_y']:.2f}" for column in results.values())
        shown = name if name in ("bicubic", DENOISED) else f"`{name}`"
        lines.append(f"| {shown} | " + " | ".join(cells) + " |")
    return lines
