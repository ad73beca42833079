"""What runs on the machines of a Ray cluster: the scout and the worker, an actor.

Imports wait until the instruction set of the batch is known, which the kernels look up only once.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Generator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sparsesr.cluster.items import Item, Settings, Timed
    from sparsesr.cluster.scout import Facts
    from sparsesr.errors import SparsesrError

_CPU = "SPARSESR_CPU"
_REPORT_S = 0.5
"""Answers within this time travel together: at the coordinator each message costs more than their contents."""


def limit_instruction_set(cpu: str | None) -> None:
    """Use the instruction set that the coordinator was told to use."""
    if cpu is not None:
        os.environ[_CPU] = cpu


def scout(cpu: str | None, path: str, content: str, source: str) -> Facts:
    """Find out the facts of this machine; the arguments are those of a probe."""
    limit_instruction_set(cpu)
    from pathlib import Path

    from sparsesr.cluster.scout import Probe, look_around

    return look_around(Probe(Path(path), content, Path(source)))


class RayWorker:
    """A worker; ``stop`` runs in a thread of its own."""

    def __init__(self, cpu: str | None) -> None:
        limit_instruction_set(cpu)
        self._stopped = threading.Event()

    def open(self, settings: Settings) -> SparsesrError | None:
        """Load the model; the error if that fails."""
        from sparsesr.cluster.workplace import Workplace
        from sparsesr.errors import SparsesrError, unexpected

        try:
            self._workplace = Workplace(settings)
        except SparsesrError as error:
            return error
        except Exception as error:
            return unexpected(error)
        return None

    def work(self, chunk: list[Item]) -> Generator[list[Timed], None, None]:
        """Upscale files; yield their answers in groups."""
        answers: list[Timed] = []
        begun = time.monotonic()
        for item in chunk:
            if self._stopped.is_set():
                break
            answers.append(self._workplace.answer(item, self._stopped.is_set))
            if time.monotonic() - begun >= _REPORT_S:
                yield answers
                answers, begun = [], time.monotonic()
        if answers:
            yield answers

    def stop(self) -> None:
        """Let the current file stop, and do no other."""
        self._stopped.set()
