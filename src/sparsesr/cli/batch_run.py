"""A run of ``sparsesr batch``: its workers, its manifest, and what it prints."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sparsesr import __version__
from sparsesr.cli import messages
from sparsesr.cli.batch_progress import batch_progress
from sparsesr.cli.interrupts import interruptible
from sparsesr.cli.tally import Tally
from sparsesr.cli.upscale_report import Job, report, report_beforehand, report_no_result, report_tally
from sparsesr.cluster.batch import Rules, Settled, upscale_batch
from sparsesr.cluster.fleet import Fleet, Remark
from sparsesr.cluster.items import Done, Settings
from sparsesr.cluster.layout import Machine
from sparsesr.cluster.local_fleet import LocalFleet
from sparsesr.cluster.manifest import Manifest
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import CancelledError, SparsesrError
from sparsesr.free_memory import free_bytes
from sparsesr.jobs.inputs import Inputs
from sparsesr.jobs.journal import weights_digest
from sparsesr.jobs.pairing import Pairing
from sparsesr.modelfile.spec import ModelFile
from sparsesr.processor import usable_threads
from sparsesr.runtime.precision import gains, lasting_choice

_Ready = tuple[Fleet, Manifest]
_Opened = Callable[[dict[str, float]], Manifest]
"""Maps measured gains to the manifest."""


@dataclass(frozen=True)
class BatchRun:
    """What the command line asked for."""

    model: ModelFile | None
    size: dict[str, Any]
    precision: str
    inference: str
    memory: int | None
    threads: int | None
    job: Job

    def upscaler(self) -> Upscaler:
        """An upscaler as workers have it, for what depends on it before the work."""
        return Upscaler(
            self.model, **self.size, threads=1, inference=self.inference, precision=self.precision
        )

    def run(
        self, inputs: Inputs, pairing: Pairing, folder: Path, address: str | None, *, resume: bool
    ) -> int:
        """Upscale all pairs into ``folder``; return the exit status."""
        tally = report_beforehand(inputs, pairing, self.job)
        if not pairing.targets:
            return tally.exit_status
        first = next(iter(pairing.targets))
        opened = partial(self._manifest, folder, resume=resume)
        ready = self._local(opened) if address is None else self._on_cluster(address, folder, first, opened)
        with ready as (fleet, manifest):
            return self._upscale_all(fleet, pairing, manifest, tally)

    @contextmanager
    def _local(self, opened: _Opened) -> Generator[_Ready, None, None]:
        machine = Machine(self.threads or usable_threads(), free_bytes())
        manifest = opened(gains())
        with closing(LocalFleet(self._settings(manifest.gains), machine, self.memory)) as fleet:
            yield fleet, manifest

    @contextmanager
    def _on_cluster(
        self, address: str, folder: Path, source: Path, opened: _Opened
    ) -> Generator[_Ready, None, None]:
        from sparsesr.cluster.ray_cluster import RayCluster
        from sparsesr.cluster.ray_fleet import RayFleet
        from sparsesr.cluster.scout import probing
        from sparsesr.cluster.survey import Survey

        with probing(folder, source) as probe, closing(RayCluster(address)) as cluster:
            survey = Survey(cluster, probe, self.precision)
            for remark in survey.first():
                self._remark(remark)
            manifest = opened(survey.common_gains())
            settings = self._settings(manifest.gains)
            with closing(RayFleet(cluster, survey, settings, self.memory, self.threads)) as fleet:
                yield fleet, manifest

    def _manifest(self, folder: Path, measured: dict[str, float], *, resume: bool) -> Manifest:
        """Begin the manifest, or go on with it; then its gains decide, since others could decide otherwise."""
        manifest = Manifest(folder, self._lasting_settings(measured), measured)
        if resume:
            manifest.resume()
        else:
            manifest.begin_anew(may_replace=self.job.write_options.overwrite or self.job.skip_existing)
        return manifest

    def _settings(self, measured: dict[str, float]) -> Settings:
        return Settings(
            self.model,
            self.size,
            self.precision,
            self.inference,
            self.job.effort,
            self.job.write_options,
            measured,
        )

    def _lasting_settings(self, measured: dict[str, float]) -> dict[str, Any]:
        """All that results depend on but measurements; also the contents of the model."""
        written = {key: value for key, value in vars(self.job.write_options).items() if key != "overwrite"}
        weights = None if self.model is None else weights_digest(self.model)
        made_by = {"effort": self.job.effort, "weights": weights, "sparsesr": __version__}
        return {**written, **self.upscaler().settings, **lasting_choice(self.precision, measured), **made_by}

    def _upscale_all(self, fleet: Fleet, pairing: Pairing, manifest: Manifest, tally: Tally) -> int:
        start, job = time.monotonic(), self.job
        rules = Rules(job.write_options.overwrite, job.skip_existing)
        fault: SparsesrError | None = None
        with interruptible() as cancelled, batch_progress(len(pairing.targets), job) as advance:
            try:
                for settled in upscale_batch(
                    fleet, pairing.targets, manifest, rules, cancelled, self._remark
                ):
                    tally.add(settled[2])
                    self._report(settled)
                    advance()
            except SparsesrError as error:
                fault = error
        if fault is not None:
            if isinstance(fault, CancelledError):
                tally.add(fault)
            messages.print_error(fault)
        self._summarise(tally, time.monotonic() - start, manifest.path)
        return tally.exit_status if fault is None else fault.exit_status

    def _report(self, settled: Settled) -> None:
        source, target, outcome = settled
        if isinstance(outcome, Done):
            report(outcome.record, source, target, self.job)
        else:
            report_no_result(source, target, outcome, self.job)

    def _remark(self, remark: Remark) -> None:
        if isinstance(remark.what, SparsesrError):
            line = f"machine {remark.machine} is left out: {messages.line_of(remark.what)}"
        elif self.job.quiet:
            return
        else:
            line = f"machine {remark.machine} {remark.what}"
        messages.say(f"note: {line}", to_stderr=True)

    def _summarise(self, tally: Tally, seconds: float, manifest: Path) -> None:
        if not self.job.as_json:
            return report_tally(tally, self.job, "the same command with --resume")
        counts = {"images": tally.count, "done": tally.done, "skipped": tally.skipped, "failed": tally.failed}
        summary = {**counts, "interrupted": tally.was_cancelled, "seconds": round(seconds, 3)}
        return messages.print_json({"summary": {**summary, "manifest": str(manifest)}})
