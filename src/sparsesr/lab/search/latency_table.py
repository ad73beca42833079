"""Latencies of a space's operations in our runtime, on one machine, and the additive model of whole networks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sparsesr.errors import InputError, ModelError, Wording
from sparsesr.image.destination import atomic_file
from sparsesr.measure.machine import Machine, this_machine

FORMAT = 1
_REBUILD = Wording(
    "measure it again with {}, or set {}=true to scale it by one network timed here",
    "measure_latency",
    "recipe.search.scale_latency",
)


@dataclass(frozen=True)
class Conditions:
    """What latencies depend on beside the machine."""

    family: str
    channels: int
    scale: int
    height_px: int
    """LR rows."""
    width_px: int
    precision: str
    threads: int


@dataclass(frozen=True)
class LatencyTable:
    """Milliseconds of every part; implements :class:`sparsesr.lab.search.prices.Prices`."""

    machine: Machine
    conditions: Conditions
    operations_ms: Mapping[str, float]
    """By operation, input width, output width and level: ``relu3x3 32 48 0``."""
    cell_ms: float
    """What a cell takes beside its operations: sums that are not fused, calls between bands."""
    ups_ms: Mapping[str, float]
    """By level."""
    frame_ms: float
    reference_ms: float
    """Whole runs of the network that all operations were measured in."""
    median_error: float
    """Of the additive model, relative, over whole runs of random networks in the same rounds."""
    scaled_by: float = 1.0
    """Factor to this machine's times, if the table was measured on another."""

    def operation(self, name: str, c_in: int, c_out: int, level: int) -> float:
        """A candidate operation in a cell; ModelError if it was not measured."""
        return self.scaled_by * _found(self.operations_ms, key_of(name, c_in, c_out, level))

    def cell(self, level: int) -> float:
        """What a cell takes beside its operations."""
        return self.scaled_by * self.cell_ms

    def up(self, level: int) -> float:
        """An up block that starts at this level."""
        return self.scaled_by * _found(self.ups_ms, str(level))

    def frame(self) -> float:
        """Everything around the body."""
        return self.scaled_by * self.frame_ms

    @property
    def is_of_this_machine(self) -> bool:
        """True if processor and version of sparsesr are those of this machine.

        How many processors this process may use does not matter: the conditions say how many threads were timed.
        """
        here = this_machine()
        return all(getattr(here, name) == getattr(self.machine, name) for name in ("processor", "sparsesr"))

    def scaled(self, reference_ms: float) -> LatencyTable:
        """The table for a machine on which the reference network takes ``reference_ms``."""
        return replace(self, scaled_by=reference_ms / self.reference_ms)

    def check(self, conditions: Conditions) -> None:
        """Raise ModelError unless the table was measured under these conditions on this machine."""
        ours, theirs = asdict(conditions), asdict(self.conditions)
        different = [
            f"{key} {theirs[key]} instead of {ours[key]}" for key in ours if ours[key] != theirs[key]
        ]
        if different:
            remedy = Wording("measure it again with {}", "measure_latency")
            raise ModelError(f"latencies were measured for {', '.join(different)}", remedy=remedy)
        if not self.is_of_this_machine and self.scaled_by == 1.0:
            here, there = this_machine(), self.machine
            raise ModelError(
                f"latencies of another machine or version ({_described(there)}; here: {_described(here)})",
                remedy=_REBUILD,
            )

    def write(self, path: Path) -> None:
        """Write JSON, atomically; InputError if that fails."""
        with atomic_file(path, overwrite=True) as file:
            file.write(json.dumps({"format": FORMAT, **asdict(self)}, indent=1).encode())


def read_table(path: Path) -> LatencyTable:
    """Read a table.

    Raises:
        InputError: there is no such file.
        ModelError: it is no table, or one of another format.
    """
    remedy = Wording("measure it again with {}", "measure_latency")
    try:
        read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if read.pop("format") != FORMAT:
            raise ValueError("another format")
        machine, conditions = Machine(**read.pop("machine")), Conditions(**read.pop("conditions"))
        return LatencyTable(machine, conditions, **read)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path), remedy=remedy) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"not a table of latencies ({type(error).__name__}: {error})"
        raise ModelError(what, where=str(path), remedy=remedy) from None


def key_of(name: str, c_in: int, c_out: int, level: int) -> str:
    """Key of an operation in the table."""
    return f"{name} {c_in} {c_out} {level}"


def _found(table: Mapping[str, float], key: str) -> float:
    if key not in table:
        remedy = Wording("measure it again with {}", "measure_latency")
        raise ModelError(f"no latency of {key}: the table was measured for another space", remedy=remedy)
    return table[key]


def _described(machine: Machine) -> str:
    return f"{machine.processor}, sparsesr {machine.sparsesr}"
