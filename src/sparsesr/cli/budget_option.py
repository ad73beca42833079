"""``--budget`` and ``--budget-macs``: parsing, a model that is ready for them, arrivals, and the final line."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from sparsesr.cli import messages, options
from sparsesr.cli.upscale_report import Job
from sparsesr.engine.networks import ModelLike
from sparsesr.errors import SparsesrError, UsageError
from sparsesr.image.source import printable
from sparsesr.jobs.batch_budget import BatchBudget
from sparsesr.jobs.identity import Identities
from sparsesr.jobs.inputs import Inputs
from sparsesr.jobs.journal import State, state_of
from sparsesr.jobs.pairing import Pairing, Targets
from sparsesr.modelfile.catalogue import load
from sparsesr.modelfile.operations.registry import mask_names
from sparsesr.modelfile.spec import ModelFile

Refuse = Callable[[Path, SparsesrError], None]
"""Told of an input that has no output, and why."""
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}
_LISTING_S = 2.0
"""Folders are listed again at most this often."""
_UNUSED = 0.05
"""Share of a budget from which the final line says that it was not used up."""


def make_budget(
    text: str | None, macs: str | None, effort: float | None, target_ms: float | None
) -> BatchBudget | None:
    """The budget that the options give; UsageError for values or combinations that make no sense."""
    if text is None and macs is None:
        return None
    if text is not None and macs is not None:
        raise UsageError("--budget and --budget-macs exclude each other")
    option = "--budget" if macs is None else "--budget-macs"
    for name, value in (("--effort", effort), ("--target-ms", target_ms)):
        if value is not None:
            raise UsageError(
                f"{option} chooses the effort of each image", remedy=f"leave {name} out, or {option}"
            )
    if text is not None:
        return BatchBudget(seconds=parse_time(text))
    return BatchBudget(macs=options.parse_count("--budget-macs", macs or ""))


def parse_time(text: str) -> float:
    """``90s``, ``10min``, ``1.5h`` -> seconds, more than 0; UsageError for anything else."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h)\s*", text.lower())
    if match is None:
        raise UsageError(f"--budget {text!r} is not a time", remedy="write it like 90s, 10min or 1.5h")
    seconds = float(match.group(1)) * _SECONDS[match.group(2)]
    if seconds == 0:
        raise UsageError(f"--budget {text} must be greater than 0")
    return seconds


def ready_for_budget(model: str | ModelFile | None, threads: int | None) -> ModelLike | None:
    """The model with a table of gains, calibrated if its file has none; the default models, None, have one."""
    if model is None:
        return None
    loaded = model if isinstance(model, ModelFile) else load(model)
    if loaded.facts.gain_tables or not mask_names(loaded.graph):
        return model
    from sparsesr.measure.gains import with_gain_tables

    name = loaded.facts.name
    print(
        f"note: {name} has no record of what efforts gain; calibrating it on the bundled photographs"
        f" (`sparsesr models calibrate` does that once)",
        file=sys.stderr,
    )
    return with_gain_tables(loaded, threads=threads)


class ArrivingFiles:
    """Lists the inputs again from time to time; a new file counts once its size and time have stopped changing."""

    def __init__(
        self,
        found: Inputs,
        targets: Mapping[Path, Path],
        list_again: Callable[[], Inputs],
        pair_again: Callable[[Inputs], Pairing],
        refuse: Refuse,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``found`` and ``targets``: what is known from the start; ``refuse`` is told of files that have no output."""
        self._known = {path for path, _ in found.files}
        self._real = Identities()
        self._results = {self._real.of_output(target) for target in targets.values()}
        self._list_again, self._pair_again, self._refuse = list_again, pair_again, refuse
        self._growing: dict[Path, State] = {}
        self._clock, self._listed = clock, clock()

    def __call__(self) -> Targets:
        """Inputs, with their outputs, that were not there at the last call."""
        if self._clock() - self._listed < _LISTING_S:
            return {}
        self._listed = self._clock()
        found = self._list_again()
        new = [path for path, _ in found.files if path not in self._known and not self._is_result(path)]
        settled = self._settled(new)
        self._known |= settled
        return self._paired(found, settled) if settled else {}

    def _is_result(self, path: Path) -> bool:
        """True for a result of this call: no input, even if its own input has been moved away."""
        return self._real.of_output(path) in self._results

    def _settled(self, new: Iterable[Path]) -> set[Path]:
        """Those that are as they were at the last call."""
        before = self._growing
        self._growing = {path: state_of(path) for path in new}
        return {
            path for path, state in self._growing.items() if state is not None and before.get(path) == state
        }

    def _paired(self, found: Inputs, settled: set[Path]) -> Targets:
        try:
            pairing = self._pair_again(found)
        except SparsesrError as error:  # such as one file as the output of what are several inputs by now
            for source in sorted(settled):
                self._refuse(source, error)
            return {}
        for source, error in pairing.failures:
            if source in settled:
                self._refuse(source, error)
        wanted = {source: target for source, target in pairing.targets.items() if source in settled}
        return {source: target for source, target in wanted.items() if self._takes(source, target)}

    def _takes(self, source: Path, target: Path) -> bool:
        """Whether the output is free: an input that is gone may have become this very file."""
        if self._is_result(target):
            what = f"would become {printable(target)}, as another input did"
            remedy = "upscale it separately, into another folder"
            self._refuse(source, UsageError(what, where=printable(source), remedy=remedy))
            return False
        self._results.add(self._real.of_output(target))
        return True


def report_budget(budget: BatchBudget, job: Job) -> None:
    """Print how much of a budget was used, and if it was too small or too large."""
    if job.quiet:
        return
    used = f"{_amount(budget.spent, budget.unit)} of {_amount(budget.amount, budget.unit)} used"
    notes: Sequence[str] = ()
    if budget.short:
        notes = (
            f"too little for {budget.short} image{'s' * (budget.short > 1)}, upscaled in the cheapest way",
        )
    elif budget.left > _UNUSED * budget.amount:
        notes = ("more would not have helped",)
    messages.say("; ".join((f"budget: {used}", *notes)), to_stderr=True)


def _amount(value: float, unit: str) -> str:
    if unit == "macs":
        return f"{value / 1e9:.4g} GMACs"
    return f"{value:.1f} s" if value < 600 else f"{value / 60:.1f} min"
