"""A found network beside hand-made ones of the same space and beside random search, all trained for equal steps.

    python benchmarks/searched_frontier.py train FOLDER IMAGES... --search RUN --validation DIR [--steps N]
    python benchmarks/searched_frontier.py table FOLDER --search RUN --set DIR... [--threads N] [--write NAME]

RUN is the folder of a finished search (``sparsesr search frontier_small_x2 ... -o RUN``). ``train`` trains, one after
another into FOLDER, each from fresh weights: the found network, three hand-made ones (small, medium, large: all cells
3x3 with one hidden width), and the winner of random search. Random search draws ``--trials`` networks that cost nearly
as much as the found one, by the search's latencies, and shares the search's number of steps among them; the best in
validation is trained like the others. The found network is also trained from the weights that the search left. Finished
runs are skipped and interrupted ones resumed, so the command may be stopped and given again.

``table`` exports the networks, times them in turns on one image, and measures PSNR-Y on the sets in the same precision.
Its last lines say what hand-made networks reach at the found network's time, interpolated over the logarithm of time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import record
import torch

from sparsesr.lab.nn.genotype import CELL, Cell, Genotype, read_genotype
from sparsesr.lab.recipes import find_search_recipe
from sparsesr.lab.search.latency_networks import random_network
from sparsesr.lab.search.latency_table import read_table
from sparsesr.lab.search.prices import price_of
from sparsesr.lab.search.recipe import SearchRecipe
from sparsesr.measure.bench_image import made_up_image
from sparsesr.measure.latency import session_contender, time_in_turns
from sparsesr.measure.native import NativeMethod
from sparsesr.measure.protocol import find_sets
from sparsesr.measure.quality import evaluate
from sparsesr.modelfile.catalogue import load
from sparsesr.runtime.session import Session

FOUND, INHERITED, RANDOM = "found", "found_inherited", "random"
HAND_MADE: Mapping[str, tuple[int, int]] = {"small": (2, 16), "medium": (4, 32), "large": (6, 48)}
"""Cells and hidden width."""
CHEAPEST_SHARE = 0.9
"""Random networks cost at least this share of the found one, and at most as much."""
ROUNDS = 15
_DRAWS = 100_000


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    network: str
    cells: int
    parameters: int
    ms: float
    psnr_y_db: Mapping[str, float]


def main() -> None:
    """Train the networks, or print their table."""
    chosen = _arguments()
    recipe = find_search_recipe(chosen.recipe)
    if chosen.command == "train":
        _train_all(chosen, recipe)
    else:
        _table(chosen, recipe)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train")
    train.add_argument("folder", type=Path)
    train.add_argument("images", nargs="+", help="folders of training images")
    train.add_argument("--validation", required=True)
    train.add_argument("--steps", type=int, default=20_000)
    train.add_argument("--trials", type=int, default=3)
    train.add_argument("--packed", default="", help="packed training set, shared by all runs")
    table = commands.add_parser("table")
    table.add_argument("folder", type=Path)
    table.add_argument("--set", type=Path, action="append", required=True, help="folder of a set; repeat it")
    table.add_argument("--threads", type=int, default=1)
    table.add_argument("--write", metavar="NAME")
    for command in (train, table):
        command.add_argument("--search", type=Path, required=True, help="folder of a finished search")
        command.add_argument("--recipe", default="frontier_small_x2", help="the search's recipe")
    return parser.parse_args()


def _train_all(chosen: argparse.Namespace, recipe: SearchRecipe) -> None:
    found = read_genotype(chosen.search / "genotype.json")
    chosen.folder.mkdir(parents=True, exist_ok=True)
    networks = {FOUND: found, **{name: hand_made(recipe, *size) for name, size in HAND_MADE.items()}}
    for name, genotype in networks.items():
        _train(chosen, recipe, name, genotype, chosen.steps)
    _train(chosen, recipe, INHERITED, found, chosen.steps, init_from=str(chosen.search / "derived.pt"))
    trials = _random_networks(chosen, recipe, found)
    steps = _steps_of(chosen.search) // len(trials)
    scores = {name: _train(chosen, recipe, name, genotype, steps) for name, genotype in trials.items()}
    best = max(scores, key=lambda name: scores[name])
    print(f"random search: {scores}; {best} wins", flush=True)
    _train(chosen, recipe, RANDOM, trials[best], chosen.steps)


def _steps_of(search: Path) -> int:
    return int(torch.load(search / "checkpoint.pt", weights_only=True)["recipe"]["steps"])


def hand_made(recipe: SearchRecipe, cells: int, width: int) -> Genotype:
    """A plain residual network of the search's space."""
    cell = Cell(("relu3x3", "linear3x3"), (width,))
    space = recipe.space
    return Genotype(space.family, recipe.scale, space.channels, (CELL,) * cells, (cell,) * cells)


def _random_networks(
    chosen: argparse.Namespace, recipe: SearchRecipe, found: Genotype
) -> dict[str, Genotype]:
    """Networks that cost nearly as much as the found one, without repetition."""
    prices, draw = read_table(chosen.search / "latency.json"), np.random.default_rng(recipe.seed)
    budget_ms = price_of(found, prices)
    drawn: dict[Genotype, None] = {}
    for _ in range(_DRAWS):
        genotype = random_network(recipe.space, recipe.scale, draw)
        if CHEAPEST_SHARE * budget_ms <= price_of(genotype, prices) <= budget_ms and genotype != found:
            drawn[genotype] = None
        if len(drawn) == chosen.trials:
            return {f"trial{index}": genotype for index, genotype in enumerate(drawn)}
    sys.exit(f"only {len(drawn)} networks of the space cost about {budget_ms:.2f} ms: lower --trials")


def _train(
    chosen: argparse.Namespace,
    recipe: SearchRecipe,
    name: str,
    genotype: Genotype,
    steps: int,
    init_from: str = "",
) -> float:
    """Train a network unless that is done; returns its PSNR-Y in the last validation, in dB."""
    run = chosen.folder / name
    path = chosen.folder / f"{name}.json"
    path.write_text(genotype.to_json(), encoding="utf-8")
    settings = {
        "network": path, "packed": chosen.packed, "init_from": init_from, "steps": steps,
        "lr_decay_steps": steps // 5, "precision": recipe.precision, "lr_patch_px": 48,
        "validate_every": steps,
    }  # fmt: skip
    changes = [part for key, value in settings.items() if value != "" for part in ("--set", f"{key}={value}")]
    resume = ["--resume"] if (run / "checkpoint.pt").exists() else []
    command = ["train", "skim_fast_dense_x2", *chosen.images, "--validation", chosen.validation]
    print(f"{name}: {steps} steps", flush=True)
    _sparsesr(*command, "-o", str(run), *changes, *resume)
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return next(line["psnr_y"] for line in reversed(lines) if "psnr_y" in line)


def _sparsesr(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "sparsesr", *arguments], check=True)


def _table(chosen: argparse.Namespace, recipe: SearchRecipe) -> None:
    precision = recipe.search.latency_precision
    runs = sorted(
        path.parent for path in chosen.folder.glob("*/checkpoint.pt") if "trial" not in path.parent.name
    )
    models = {run.name: load(str(_exported(run))) for run in runs}
    image = made_up_image(recipe.search.latency_width_px, recipe.search.latency_height_px)
    contenders = {
        name: session_contender(Session(model, chosen.threads, precision), image)
        for name, model in models.items()
    }
    timing = time_in_turns(contenders, ROUNDS)
    sets = [images for folder in chosen.set for images in find_sets(folder, recipe.scale)]
    rows: list[Row] = []
    for name, model in models.items():
        method = NativeMethod(model, chosen.threads, precision)
        quality = {images.name: evaluate(method, images).mean("psnr_y") for images in sets}
        cells = len(read_genotype(chosen.folder / f"{name}.json").cells)
        rows.append(Row(name, cells, model.facts.parameters, timing.ms(name), quality))
        print(_line(rows[-1]), flush=True)
    for row in rows:
        if row.network not in HAND_MADE:
            print(_compared(row, rows))
    if chosen.write:
        facts = record.circumstances("python benchmarks/searched_frontier.py")
        size = f"{recipe.search.latency_width_px}x{recipe.search.latency_height_px}"
        conditions = {"precision": precision, "threads": chosen.threads, "lr": size, "recipe": chosen.recipe}
        print(record.write(chosen.write, {**facts, **conditions, "rows": [asdict(row) for row in rows]}))


def _exported(run: Path) -> Path:
    path, checkpoint = run.with_suffix(".safetensors"), run / "checkpoint.pt"
    if not path.exists() or path.stat().st_mtime < checkpoint.stat().st_mtime:
        _sparsesr("export", str(checkpoint), "-o", str(path), "--overwrite")
    return path


def _line(row: Row) -> str:
    quality = ", ".join(f"{name} {psnr:.2f} dB" for name, psnr in row.psnr_y_db.items())
    return f"{row.network:16} {row.cells} cells, {row.parameters:7,} parameters, {row.ms:7.2f} ms: {quality}"


def _compared(row: Row, rows: Sequence[Row]) -> str:
    gains = {name: row.psnr_y_db[name] - at_equal_time(row.ms, name, rows) for name in row.psnr_y_db}
    words = ", ".join(f"{name} {gain:+.2f} dB" for name, gain in gains.items())
    return f"{row.network} against hand-made networks at {row.ms:.2f} ms: {words}"


def at_equal_time(ms: float, set_name: str, rows: Sequence[Row]) -> float:
    """PSNR-Y of hand-made networks at a time, interpolated; at the ends that of the nearest one."""
    hand_made_rows = sorted((row for row in rows if row.network in HAND_MADE), key=lambda row: row.ms)
    times = np.log([row.ms for row in hand_made_rows])
    return float(np.interp(np.log(ms), times, [row.psnr_y_db[set_name] for row in hand_made_rows]))


if __name__ == "__main__":
    main()
