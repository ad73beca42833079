"""``sparsesr bench``: dense and sparse runs on this machine, layer by layer, compared with other runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sparsesr.cli import options, shared_options
from sparsesr.cli.int8_scales import with_scales_if_needed
from sparsesr.cli.messages import print_json
from sparsesr.cli.peers import parse_peers
from sparsesr.engine.networks import load_model
from sparsesr.errors import UsageError
from sparsesr.image.decode import decode
from sparsesr.image.samples import to_eight_bit
from sparsesr.measure.bench import DENSE, SPARSE
from sparsesr.measure.bench_image import Pixels, made_up_image
from sparsesr.measure.bench_record import ALL_PRECISIONS, BenchRequest, measure_record

_SHOWN_SHARE = 0.01
_DEFAULT_SIZE = "320x180"


def run(
    image: Annotated[Path | None, typer.Argument(metavar="[IMAGE]", help="Low-resolution image.")] = None,
    model: shared_options.Model = None,
    scale: shared_options.Scale = None,
    size: Annotated[
        str | None,
        typer.Option(help="Without IMAGE: size of a generated image, WxH. [default: 320x180]"),
    ] = None,
    hr: Annotated[
        Path | None, typer.Option("--hr", help="High-resolution reference for IMAGE, to measure PSNR.")
    ] = None,
    threads: shared_options.Threads = None,
    precision: Annotated[
        str, typer.Option(help="auto, fp32, bf16, int8, or all beside each other; not for peers.")
    ] = "fp32",
    effort: Annotated[
        float | None, typer.Option(help="Effort of the sparse run, 0 to 1. [default: as trained]")
    ] = None,
    peers: Annotated[
        str,
        typer.Option(help="Installed runtimes to compare with: torch,onnxruntime,openvino,ncnn."),
    ] = "",
    repeats: Annotated[int, typer.Option(help="Number of rounds; each runs everything once.")] = 7,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Time a model on this machine, dense and sparse.

    Times are medians of interleaved runs. GFLOP/s count executed multiply-adds only (2 FLOPs each) and are compared
    with the measured peak of the processor.
    """
    if precision != ALL_PRECISIONS:
        options.check_precision(precision)
    options.check_effort(effort)
    options.check_positive("-j", threads)
    options.check_positive("--repeats", repeats)
    if image is not None and size is not None:
        raise UsageError("--size is for generated images; leave it out when IMAGE is given")
    if hr is not None and image is None:
        raise UsageError("--hr needs the low-resolution image; name IMAGE too")
    runtimes = parse_peers(peers)
    loaded = with_scales_if_needed(load_model(model, scale), precision, threads)
    shape = options.parse_size("--size", _DEFAULT_SIZE if size is None else size, options.MOST_SIDE_PX)
    pixels = made_up_image(*shape) if image is None else _read(image)
    reference = None if hr is None else _read_reference(hr, pixels, loaded.facts.scale)
    record = measure_record(
        BenchRequest(loaded, pixels, reference, threads, precision, effort, repeats, runtimes)
    )
    record["image"] = "made up" if image is None else image.name
    if as_json:
        print_json(record)
    else:
        _print(record)
    return 0


def _read(path: Path) -> Pixels:
    return to_eight_bit(decode(path).rgb)


def _read_reference(path: Path, pixels: Pixels, scale: int) -> Pixels:
    """The high-resolution reference; UsageError unless it has the size of the result."""
    reference = _read(path)
    height, width = reference.shape[:2]
    rows, columns = (side * scale for side in pixels.shape[:2])
    if (height, width) != (rows, columns):
        raise UsageError(f"--hr is {width}x{height}, but the upscaled image is {columns}x{rows}")
    return reference


def _print(record: dict[str, Any]) -> None:
    print(
        f"{record['model']} x{record['scale']}, {record['input']} ({record['image']}), {record['threads']}"
        f" thread(s), {record['precision']}; medians of {record['rounds']} rounds"
    )
    print(f"{record['processor']}: peak {record['peak_gflops']:.1f} GFLOP/s")
    _print_layers(record)
    _print_runs(record)
    saved = 1 - record["macs"] / record["macs_dense"]
    print(
        f"density {record['density']:.3f}: {saved:.1%} of the multiply-adds skipped,"
        f" {record['saving_realised']:.1%} of that saved in time ({record['speed_up']:.2f}x as fast)"
    )
    waits = record["waits"]
    print(
        f"threads waited for each other {waits['count']} times, {waits['ms']:.1f} ms added up over the threads;"
        f" {waits['one_thread_ms']:.1f} ms on one thread"
    )
    if record["peer_setup"]:
        fastest = record["fastest"]
        print(
            f"each at its fastest: {fastest['sparse']} is {fastest['sparse_is_faster_by']:.2f}x as fast as"
            f" {fastest['peer']}"
        )
        print(record["peer_setup"])


def _print_layers(record: dict[str, Any]) -> None:
    """Print the layers that take a noticeable share of the time, and the sum of the others."""
    print(f"\n  {'layer':<28} {'dense ms':>9} {'sparse ms':>9} {'density':>8} {'GFLOP/s':>8} {'of peak':>8}")
    rest_ms = 0.0
    for row in record["layers"]:
        if row["sparse_ms"] < _SHOWN_SHARE * record["sparse_ms"]:
            rest_ms += row["sparse_ms"]
            continue
        dense = "" if row["dense_ms"] is None else f"{row['dense_ms']:.2f}"
        density = "" if row["density"] is None else f"{row['density']:.3f}"
        work = f"{row['gflops']:8.1f} {row['peak_share']:8.1%}" if row["macs"] else ""
        print(f"  {row['name'][:28]:<28} {dense:>9} {row['sparse_ms']:9.2f} {density:>8} {work}".rstrip())
    print(f"  {'all others':<28} {'':>9} {rest_ms:9.2f}")


def _print_runs(record: dict[str, Any]) -> None:
    has_hr = "psnr_y_db" in record["quality"][SPARSE]
    print(
        f"\n  {'run':<28} {'ms':>9} {'of peak':>8} {'to own dense':>13}{'   PSNR-Y to HR' if has_hr else ''}"
    )
    for name in (SPARSE, DENSE):
        _print_run(name, record[f"{name}_ms"], record[f"{name}_peak_share"], record["quality"][name])
    for run in record["precisions"]:
        share = 2 * record["macs"] / run["ms"] / 1e6 / record["peak_gflops"]
        _print_run(run["name"], run["ms"], share, run["quality"])
    for peer in record["peers"]:
        share = 2 * record["macs_dense"] / peer["ms"] / 1e6 / record["peak_gflops"]
        _print_run(peer["name"], peer["ms"], share, peer["quality"])
    print()


def _print_run(name: str, ms: float, share: float, quality: dict[str, float | None]) -> None:
    own, hr = quality["psnr_to_own_dense_db"], quality.get("psnr_y_db")
    same = "same" if own is None else f"{own:.1f} dB"
    print(f"  {name:<28} {ms:9.1f} {share:8.1%} {same:>13}{'' if hr is None else f'{hr:12.3f} dB'}")
