"""``sparsesr batch``: upscale folders with all processors of this machine or of a Ray cluster."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from sparsesr.cli import options, shared_options
from sparsesr.cli.batch_run import BatchRun
from sparsesr.cli.int8_scales import ready_for
from sparsesr.cli.upscale_report import Job, report_problems
from sparsesr.cluster.ray_address import check_address
from sparsesr.errors import UsageError
from sparsesr.jobs.files import WriteOptions
from sparsesr.jobs.inputs import expand
from sparsesr.jobs.local_names import local_name
from sparsesr.jobs.pairing import pair
from sparsesr.modelfile.catalogue import load


def run(
    inputs: Annotated[
        list[str] | None, typer.Argument(metavar="FOLDER...", help="Folders, files, or quoted patterns.")
    ] = None,
    output: Annotated[str | None, typer.Option("-o", "--output", help="Folder to write; required.")] = None,
    address: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Ray cluster, or auto. [default: this machine alone]"),
    ] = None,
    scale: shared_options.AnyScale = None,
    width: shared_options.Width = None,
    height: shared_options.Height = None,
    fit: shared_options.Fit = None,
    model: shared_options.Model = None,
    effort: shared_options.Effort = None,
    precision: shared_options.Precision = "auto",
    memory: Annotated[
        str | None,
        typer.Option(help="Limit on peak memory of each worker. [default: they share half of what is free]"),
    ] = None,
    inference: shared_options.Inference = "auto",
    threads: Annotated[
        int | None,
        typer.Option("-j", "--threads", help="Threads of all workers together. [default: all cores]"),
    ] = None,
    recursive: shared_options.Recursive = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the batch whose manifest is in the output folder.")
    ] = False,
    overwrite: shared_options.Overwrite = False,
    skip_existing: shared_options.SkipExisting = False,
    format: shared_options.Format = None,
    quality: shared_options.Quality = None,
    depth: shared_options.Depth = None,
    lossless: shared_options.Lossless = False,
    strip: shared_options.Strip = False,
    preserve_time: shared_options.PreserveTime = False,
    as_json: shared_options.AsJson = False,
    quiet: shared_options.Quiet = False,
) -> int:
    """Upscale folders with several processes, here or on a Ray cluster; results are those of upscale.

    sparsesr-batch.jsonl in the output folder tells what became of each file; with --resume, only the rest is done.
    """
    if not inputs:
        raise UsageError("nothing to upscale", remedy="name a folder: sparsesr batch photos -o large")
    if not output:
        raise UsageError(
            "-o is missing", remedy="name a folder for the results: sparsesr batch photos -o large"
        )
    options.check_precision(precision)
    options.check_effort(effort)
    options.check_positive("-j", threads)
    options.check_existing(overwrite=overwrite, skip_existing=skip_existing)
    write_options = WriteOptions(overwrite, format, quality, depth, lossless, strip, preserve_time)
    job = Job(effort, None, write_options, as_json, quiet, skip_existing)
    if address is not None:
        check_address(address)
    named = [_name(each, address) for each in inputs]
    folder = Path(_name(output, address, is_output=True))
    found = expand(named, recursive=recursive, output=os.fspath(folder))
    if found.problems and not found.files:
        return report_problems(found, job)
    ready = ready_for(precision, model, threads)
    batch = BatchRun(
        load(ready) if isinstance(ready, str) else ready,
        {
            "scale": scale,
            "width": width,
            "height": height,
            "fit": options.parse_fit(fit),
        },
        precision,
        inference,
        options.parse_memory(memory),
        threads,
        job,
    )
    pairing = pair(found, f"{folder}{os.sep}", batch.upscaler().label, write_options.format)
    found.files.clear()  # of 100,000 files the pairs are enough
    return batch.run(found, pairing, folder, address, resume=resume)


def _name(name: str, address: str | None, *, is_output: bool = False) -> str:
    """The local name; with other machines the whole path, since they have other current folders."""
    local = local_name(name, is_output=is_output)
    return local if address is None else os.path.abspath(local)  # noqa: PTH100
