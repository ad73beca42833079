"""Tables and plot of a result of native_photographs.py."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import record

from sparsesr.measure.quality_plot import quality_plot
from sparsesr.measure.tables import TableRow

Row = dict[str, Any]
_EFFORT = 0.5
"""Of the tables of times: masks as learned."""
_EQUAL_DB = 0.05
"""A peer may be worse by this on each set and still counts as equal."""


def show(name: str, frontier: str) -> None:
    """Print the tables as Markdown and draw the plot."""
    rows, qualities = record.read(name)["rows"], record.read(frontier)["rows"]
    own, peers = _measured(rows, "time"), _at_best_size(_measured(rows, "peer"))
    for fits in ("fp32", "bf16"):
        chosen = [row for row in own if row["precision"] == fits and row["effort"] == _EFFORT]
        rivals = [peer for peer in peers if fits == "bf16" or peer["precision"] == "fp32"]
        if chosen:
            print(f"\n{fits}, seconds\n")
            _print(*_times(chosen, rivals, qualities))
    _print(*_masks(_measured(rows, "masks")))
    _print(*_commands(_measured(rows, "command")))
    path = record.RESULTS / f"{name}.svg"
    path.write_text(_plot(own, peers, qualities), encoding="utf-8")
    print(path)


def _measured(rows: Sequence[Row], kind: str) -> list[Row]:
    return [row for row in rows if row["measured"] == kind]


def _at_best_size(peers: Sequence[Row]) -> list[Row]:
    """Each peer and precision in the tiles that are fastest for it."""
    best: dict[tuple[str, str], Row] = {}
    for row in sorted(peers, key=lambda row: -row["s_per_megapixel"]):
        best[row["network"], row["precision"]] = row
    return list(best.values())


def _print(head: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    print("\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *lines)) + "\n")


def _times(
    own: Sequence[Row], peers: Sequence[Row], qualities: Sequence[Row]
) -> tuple[list[str], list[list[str]]]:
    """Rows by photograph; for each network its density, seconds, and times as fast as the rival."""
    networks = list(dict.fromkeys(row["network"] for row in own))
    precision = own[0]["precision"]
    rivals = {name: rival(name, precision, peers, qualities) for name in networks}
    head, lines = ["photograph", "megapixels"], list[list[str]]()
    for name, peer in rivals.items():
        head += [name, f"times {peer['network']} {peer['precision']}" if peer else "no peer"]
    for photo in dict.fromkeys(row["photo"] for row in own):
        found = {row["network"]: row for row in own if row["photo"] == photo}
        cells = [photo, f"{next(iter(found.values()))['megapixels']:.1f}"]
        for name, peer in rivals.items():
            cells += _time_cells(found.get(name), peer)
        lines.append(cells)
    return head, lines


def _time_cells(row: Row | None, peer: Row | None) -> list[str]:
    if row is None:
        return ["", ""]
    gain = f"{peer['s_per_megapixel'] * row['megapixels'] / row['s']:.1f}" if peer else ""
    return [f"{row['density']:.3f}: {row['s']:.2f}", gain]


def rival(network: str, precision: str, peers: Sequence[Row], qualities: Sequence[Row]) -> Row | None:
    """The fastest peer, in any of the given precisions, of equal or better PSNR-Y on all sets of the network."""
    wanted = _quality(network, precision, _EFFORT, qualities)

    def is_equal(peer: Row) -> bool:
        found = _quality(peer["network"], peer["precision"], None, qualities)
        return bool(wanted) and all(
            found.get(name, -math.inf) > db - _EQUAL_DB for name, db in wanted.items()
        )

    return min(filter(is_equal, peers), key=lambda peer: peer["s_per_megapixel"], default=None)


def _quality(
    network: str, precision: str, effort: float | None, qualities: Sequence[Row]
) -> dict[str, float]:
    """PSNR-Y by set."""
    key = (network, precision, effort)
    found: list[dict[str, float]] = [
        row["psnr_y_db"] for row in qualities if (row["network"], row["precision"], row["effort"]) == key
    ]
    return found[0] if found else {}


def _masks(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Rows by photograph and network; for each effort the density and what is kept."""
    efforts = sorted({row["effort"] for row in rows})
    head = ["photograph", "network", *(f"effort {effort:g}" for effort in efforts)]
    lines: list[list[str]] = []
    for photo, network in dict.fromkeys((row["photo"], row["network"]) for row in rows):
        found = {row["effort"]: row for row in rows if (row["photo"], row["network"]) == (photo, network)}
        cells = (
            f"{row['density']:.3f}: {row['kept']:.2f}, {row['psnr_db']:.1f} dB, {row['worst_block']:.1f}"
            for row in (found[effort] for effort in efforts)
        )
        lines.append([photo, network, *cells])
    return head, lines


def _commands(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    columns: dict[str, Callable[[Row], str]] = {
        "photograph": lambda row: row["photo"],
        "network": lambda row: f"{row['network']}, {row['precision']}, {row['format']}",
        "command": lambda row: f"{row['s']:.2f} s",
        "network alone": lambda row: f"{row['network_s']:.2f} s",
        "peak": lambda row: f"{row['peak_mb']} MB",
        "mode": lambda row: row["mode"],
    }
    return list(columns), [[cell(row) for cell in columns.values()] for row in rows]


def _plot(own: Sequence[Row], peers: Sequence[Row], qualities: Sequence[Row]) -> str:
    """PSNR-Y on `val` over seconds per megapixel, in bf16 if measured: our networks as one dot per photograph."""
    precision = "bf16" if any(row["precision"] == "bf16" for row in own) else "fp32"
    points = [
        _point(row, row["s"] / row["megapixels"], qualities)
        for row in own
        if row["precision"] == precision and row["effort"] == _EFFORT
    ]
    order = list(dict.fromkeys(point.model for point in points))
    points.sort(key=lambda point: (order.index(point.model), point.seconds))
    rivals = [
        _point(row, row["s_per_megapixel"], qualities) for row in peers if row["precision"] == precision
    ]
    shown = [point for point in [*points, *rivals] if math.isfinite(point.psnr_y)]
    label = f"seconds per megapixel of native photographs, {precision}"
    return quality_plot(shown, others={point.model for point in rivals}, time_label=label)


def _point(row: Row, seconds: float, qualities: Sequence[Row]) -> TableRow:
    quality = _quality(row["network"], row["precision"], row.get("effort"), qualities)
    psnr = quality.get("val", math.nan)
    title = "val; times of native photographs"
    network = row["network"]
    return TableRow(
        title, network, 2, row["precision"], psnr, math.nan, row.get("density", 1.0), math.nan, seconds
    )
