"""Measuring latencies with our runtime: one command builds the table of a space for this machine.

Every operation is timed where it will run, inside a network, with its neighbours' maps in the caches. Whole random
networks run in the same rounds and check the additive model. Other processes only ever add time, and on a busy machine
they disturb most rounds, so figures are the fastest tenth of the rounds instead of medians, and
runs of one thread are timed in processor time.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

from sparsesr.lab.export.exporter import export
from sparsesr.lab.nn.genotype import CELL, Genotype
from sparsesr.lab.nn.searched import Searched
from sparsesr.lab.search.latency_networks import bare_network, covering_network, random_network
from sparsesr.lab.search.latency_table import Conditions, LatencyTable, key_of, read_table
from sparsesr.lab.search.prices import COUNTED, Counted, Prices, price_of
from sparsesr.lab.search.recipe import SearchRecipe
from sparsesr.measure.bench_image import made_up_image
from sparsesr.measure.latency import Clock, Contender, Timing, session_contender, time_in_turns
from sparsesr.runtime.session import RunResult, Session

ROUNDS = 15
_CHECKED = 6
"""Random networks that the additive model is compared with."""
_BARE, _COVERING, _RANDOM = "bare", "covering", "random"
Report = Callable[[str], None]


def prices_of(recipe: SearchRecipe, run_folder: Path, report: Report) -> Prices:
    """The prices that lead a search; latencies are measured into the run folder unless the recipe names a table.

    A table that is scaled to this machine is kept there, too: a search that is resumed goes on with the same prices.

    Raises:
        ModelError: the table belongs to another machine or space, or an operation does not run natively.
    """
    objective = recipe.search.objective
    if objective in COUNTED:
        return Counted(objective, recipe.space.family, recipe.space.channels, recipe.scale)
    named = recipe.search.latency_table
    path = Path(named) if named else run_folder / "latency.json"
    if not named and not path.exists():
        measure_latency(recipe, report).write(path)
    table = read_table(path)
    if recipe.search.scale_latency and not table.is_of_this_machine:
        table = _scaled(table, recipe, run_folder / "latency_scaled.json")
        report(f"latencies of {table.machine.processor} are scaled by {table.scaled_by:.2f} to this machine")
    table.check(conditions_of(recipe))
    return table


def conditions_of(recipe: SearchRecipe) -> Conditions:
    """Conditions that a recipe asks for."""
    space, settings = recipe.space, recipe.search
    size = settings.latency_height_px, settings.latency_width_px
    run = settings.latency_precision, settings.latency_threads
    return Conditions(space.family, space.channels, recipe.scale, *size, *run)


def measure_latency(recipe: SearchRecipe, report: Report, rounds: int = ROUNDS) -> LatencyTable:
    """Measure all operations of a recipe's space on this machine.

    Raises:
        ModelError: the runtime lacks an operation of the space.
    """
    space, scale, draw = recipe.space, recipe.scale, np.random.default_rng(recipe.seed)
    levels = sorted({space.level(ups) for ups in range(space.most_ups + 1)})
    coverings = {f"{_COVERING} {level}": covering_network(space, scale, level) for level in levels}
    drawn = {f"{_RANDOM} {index}": random_network(space, scale, draw) for index in range(_CHECKED)}
    networks = {_BARE: bare_network(space, scale), **coverings, **drawn}
    report(f"measuring latencies: {rounds} rounds of {len(networks)} networks")
    timing = _timed(recipe, networks, rounds)
    table = _table(conditions_of(recipe), timing, networks)
    errors = [abs(price_of(drawn[name], table) / fastest(timing.rounds_ms[name]) - 1) for name in drawn]
    report(
        f"the sum over a network's parts is off by {100 * median(errors):.1f} % (median of {_CHECKED} networks)"
    )
    return replace(table, median_error=median(errors))


def _scaled(table: LatencyTable, recipe: SearchRecipe, kept: Path) -> LatencyTable:
    """The table scaled to this machine, as the run has kept it if it has begun."""
    if kept.exists() and replace(before := read_table(kept), scaled_by=table.scaled_by) == table:
        return before
    scaled = table.scaled(_reference_ms(recipe))
    scaled.write(kept)
    return scaled


def _reference_ms(recipe: SearchRecipe) -> float:
    reference = {_COVERING: covering_network(recipe.space, recipe.scale, 0)}
    return fastest(_timed(recipe, reference, ROUNDS).rounds_ms[_COVERING])


def _timed(recipe: SearchRecipe, networks: Mapping[str, Genotype], rounds: int) -> Timing:
    clock = time.process_time if recipe.search.latency_threads == 1 else time.perf_counter
    return time_in_turns(_contenders(recipe, networks, clock), rounds, clock)


def _contenders(recipe: SearchRecipe, networks: Mapping[str, Genotype], clock: Clock) -> dict[str, Contender]:
    conditions = conditions_of(recipe)
    image = made_up_image(conditions.width_px, conditions.height_px)
    contenders: dict[str, Contender] = {}
    for name, genotype in networks.items():
        model = export(Searched(genotype), "latency", check=False)
        session = Session(model, conditions.threads, conditions.precision, clock=clock)
        contenders[name] = session_contender(session, image)
    return contenders


def _table(conditions: Conditions, timing: Timing, networks: Mapping[str, Genotype]) -> LatencyTable:
    """Medians over rounds and over all places where an operation occurs."""
    samples: dict[str, list[float]] = defaultdict(list)
    ups: dict[str, list[float]] = defaultdict(list)
    rest_ms: list[float] = []
    for name, genotype in networks.items():
        if name.startswith(_COVERING):
            parts = fastest_parts(timing.results[name])
            _add_operations(samples, genotype, parts)
            up_names = _blocks(genotype, of_cells=False)
            for index, level in up_names:
                ups[str(level)].append(_sum_below(parts, f"body.{index}."))
            beside = (
                fastest(timing.rounds_ms[name])
                - fastest(timing.rounds_ms[_BARE])
                - sum(_operation_times(genotype, parts).values())
            )
            rest_ms.append(beside / len(genotype.cells))
    reference = f"{_COVERING} 0"
    return LatencyTable(
        timing.machine,
        conditions,
        {key: median(values) for key, values in samples.items()},
        median(rest_ms),
        {key: median(values) for key, values in ups.items()},
        fastest(timing.rounds_ms[_BARE]) - sum(median(values) for values in ups.values()),
        fastest(timing.rounds_ms[reference]),
        0.0,
    )


def fastest(values_ms: Sequence[float]) -> float:
    """The upper end of the fastest tenth."""
    return sorted(values_ms)[len(values_ms) // 10]


def fastest_parts(runs: Sequence[RunResult]) -> dict[str, float]:
    """Milliseconds of every layer over runs of one network."""
    times: dict[str, list[float]] = defaultdict(list)
    for run in runs:
        for layer in run.stats.layers:
            times[layer.name].append(layer.ms)
    return {name: fastest(values) for name, values in times.items()}


def _add_operations(samples: dict[str, list[float]], genotype: Genotype, parts: Mapping[str, float]) -> None:
    times, cells = _operation_times(genotype, parts), iter(genotype.cells)
    for index, level in _blocks(genotype, of_cells=True):
        for place, (name, c_in, c_out) in enumerate(next(cells).shaped(genotype.channels)):
            samples[key_of(name, c_in, c_out, level)].append(times[index, place])


def _operation_times(genotype: Genotype, parts: Mapping[str, float]) -> dict[tuple[int, int], float]:
    """Milliseconds of every operation, by block and place."""
    cells = iter(genotype.cells)
    return {
        (index, place): _sum_below(parts, f"body.{index}.operations.{place}.")
        for index, _ in _blocks(genotype, of_cells=True)
        for place in range(len(next(cells).operations))
    }


def _blocks(genotype: Genotype, of_cells: bool) -> Iterable[tuple[int, int]]:
    """Index and level of every cell, or of every up block."""
    pairs = zip(genotype.path, genotype.levels, strict=True)
    return [(index, level) for index, (kind, level) in enumerate(pairs) if (kind == CELL) is of_cells]


def _sum_below(parts: Mapping[str, float], prefix: str) -> float:
    """Sum over the layers of a module: their names begin with its own."""
    return sum(ms for name, ms in parts.items() if f"{name}.".startswith(prefix))
