"""``make_plan``: how a picture is enlarged within a memory limit, decided before any work starts.

Nothing here allocates or computes pixels. Networks with attention between pixels are given crops (see
:mod:`sparsesr.engine.chop`). For all others, ways are tried from the best: whole picture with everything kept
in memory, whole picture layer by layer with as few maps as possible (same bits), and tiles (not the same
bits, if the network looks at the whole picture).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from sparsesr.errors import LimitError, Wording
from sparsesr.runtime.backend.arena_pool import KEPT_BYTES

PeakBytes = Callable[[int, int, bool], int]
"""(height, width, low_memory) -> bytes that one run of the network allocates, its output included."""

_MEGABYTE = 1_000_000
PROCESS_BYTES = 90 * _MEGABYTE
"""What Python, numpy, libvips and a model hold before any picture; measured."""
_SMALLEST_CORE_PX = 16


class Mode(Enum):
    """The ways to run a network over a picture."""

    WHOLE = "whole"
    LOW_MEMORY = "low memory"
    CHOPPED = "chopped"
    """Crops enlarged each by itself, as networks with attention between pixels are used."""
    TILES = "tiles"


@dataclass(frozen=True)
class Box:
    """A rectangle of LR pixels, ends excluded."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    @property
    def area(self) -> int:
        """Pixels."""
        return self.height * self.width


@dataclass(frozen=True)
class Tile:
    """``core`` is what a tile contributes; ``window`` what the network is given to compute it."""

    core: Box
    window: Box


@dataclass(frozen=True)
class Plan:
    """How one picture will be enlarged, and the memory that this takes."""

    mode: Mode
    peak_bytes: int
    """Of the whole process."""
    tiles: tuple[Tile, ...] = ()
    probe_px: int = 0
    """Side of the square on which it is measured what tiles change; 0: none."""
    work_factor: float = 1.0
    """Computation in units of one run on the whole picture: halos, repeated tiles and the probe count."""
    probe_work: float = 0.0
    """The probe's part of that."""
    untiled_bytes: int = 0
    """Memory with which no tiles would be needed; 0 where there are none."""
    run_bytes: int = 0
    """Buffers of one run of the network, without its output; 0 with tiles, which keep theirs to themselves."""
    spare_bytes: int = 0
    """What the limit leaves beside the peak; 0 with tiles."""

    @property
    def buffer_bytes(self) -> int:
        """Buffers that the limit allows in all, in use or kept."""
        return self.run_bytes + self.spare_bytes

    @property
    def kept_bytes(self) -> int:
        """Bound of the buffers to keep for pictures to come: those of the latest, and others while they are small."""
        return min(self.buffer_bytes, max(self.run_bytes, KEPT_BYTES))

    def warning(self) -> Wording | None:
        """What people should know before work starts; None if nothing."""
        if self.mode is not Mode.TILES:
            return None
        return Wording(
            f"the memory allows only tiles: {len(self.tiles)} of them, about {self.work_factor:.1f} times the"
            f" computation; {{}} {-(-self.untiled_bytes // _MEGABYTE)}MB would do without",
            "memory",
        )


@dataclass(frozen=True)
class Need:
    """What a picture needs, apart from the network itself."""

    height: int
    width: int
    held_bytes: int
    """Held throughout: input pixels, enlarged alpha, the encoder's working memory."""
    output_bytes: int
    """The enlarged picture; a run of the network on the whole picture counts it, tiles do not."""
    halo_px: int = 0
    """LR pixels of context that a pixel depends on."""
    multiple: int = 1
    """Tiles start at multiples of this, so that pooling sees the same blocks as in the whole picture."""
    tile_runs: int = 1
    """How often every tile is run: twice for a network that looks at the whole picture."""


def chopped_plan(need: Need, run_bytes: PeakBytes, limit_bytes: int, tiles: tuple[Tile, ...]) -> Plan:
    """Enlarge these crops each by itself.

    Raises:
        LimitError: they do not fit into ``limit_bytes`` of process memory.
    """
    sizes = {(tile.window.height, tile.window.width) for tile in tiles}
    largest = max(run_bytes(height, width, False) for height, width in sizes)
    peak = PROCESS_BYTES + need.held_bytes + need.output_bytes + largest
    if peak > limit_bytes:
        raise _too_large(need, peak, limit_bytes)
    most_px = max(height * width for height, width in sizes)
    run = largest - need.output_bytes * most_px // (need.height * need.width)
    return Plan(Mode.CHOPPED, peak, tiles, run_bytes=run, spare_bytes=limit_bytes - peak)


def _too_large(need: Need, least_bytes: int, limit_bytes: int) -> LimitError:
    return LimitError(
        f"enlarging {need.width}x{need.height} px needs {-(-least_bytes // _MEGABYTE)} MB at least,"
        f" {limit_bytes // _MEGABYTE} MB are allowed",
        remedy=Wording("raise {}", "memory"),
    )


def make_plan(need: Need, run_bytes: PeakBytes, limit_bytes: int, *, may_tile: bool = True) -> Plan:
    """Choose the best way that stays within ``limit_bytes`` of process memory.

    Raises:
        LimitError: not even the smallest tiles fit, or without ``may_tile`` the whole picture does not; the
            message names the figure that is needed.
    """
    fixed = PROCESS_BYTES + need.held_bytes
    peak = 0
    for mode in (Mode.WHOLE, Mode.LOW_MEMORY):
        peak = fixed + run_bytes(need.height, need.width, mode is Mode.LOW_MEMORY)
        if peak <= limit_bytes:
            run = peak - fixed - need.output_bytes
            return Plan(mode, peak, run_bytes=run, spare_bytes=limit_bytes - peak)
    if not may_tile:
        raise _too_large(need, peak, limit_bytes)
    return _tiled_plan(need, run_bytes, limit_bytes, fixed + need.output_bytes, peak)


_PROBE_SHARE = 8
"""The probe is at most this part of the picture: it costs about five times its area."""


def _tiled_plan(need: Need, run_bytes: PeakBytes, limit_bytes: int, fixed: int, untiled_bytes: int) -> Plan:
    """``untiled_bytes``: what the way before this one needs, for messages."""
    least_bytes = untiled_bytes
    rows, columns = _round_up(need.height, need.multiple), _round_up(need.width, need.multiple)
    while True:
        tiles = cut(need.height, need.width, rows, columns, need.halo_px, need.multiple)
        peak = fixed + _worst_tile(tiles, run_bytes)
        least_bytes = min(peak, least_bytes)
        if peak <= limit_bytes:
            probe_px = _probe_side(need, run_bytes, limit_bytes - fixed) if need.tile_runs > 1 else 0
            probe_work = _probe_work(need, probe_px)
            area = need.tile_runs * sum(tile.window.area for tile in tiles)
            work_factor = area / (need.height * need.width) + probe_work
            return Plan(Mode.TILES, peak, tiles, probe_px, work_factor, probe_work, untiled_bytes)
        if max(rows, columns) <= _round_up(_SMALLEST_CORE_PX, need.multiple):
            raise _too_large(need, least_bytes, limit_bytes)
        if rows >= columns:
            rows = _smaller(rows, need.multiple)
        else:
            columns = _smaller(columns, need.multiple)


def _probe_work(need: Need, probe_px: int) -> float:
    """Whole and in four tiles, as :mod:`sparsesr.engine.tiles` cuts it; in units of the whole picture."""
    halved = min(probe_px, probe_px // 2 + need.halo_px)
    return (probe_px**2 + need.tile_runs * 4 * halved**2) / (need.height * need.width)


def _worst_tile(tiles: tuple[Tile, ...], run_bytes: PeakBytes) -> int:
    sizes = {(tile.window.height, tile.window.width) for tile in tiles}
    return max(run_bytes(height, width, True) for height, width in sizes)


def _smaller(size: int, multiple: int) -> int:
    """About three quarters, never below the smallest useful core."""
    return max(_round_up(size * 3 // 4, multiple), _round_up(_SMALLEST_CORE_PX, multiple))


def _round_up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple


def _probe_side(need: Need, run_bytes: PeakBytes, free_bytes: int) -> int:
    """Side of the largest square that a whole run could take, within reason; by bisection."""
    reason = int((need.height * need.width / _PROBE_SHARE) ** 0.5)
    low, high = 0, min(need.height, need.width, max(reason, 4 * need.halo_px)) // need.multiple
    while low < high:
        middle = (low + high + 1) // 2
        side = middle * need.multiple
        results = 2 * need.output_bytes * side * side // (need.height * need.width)
        if run_bytes(side, side, True) + results <= free_bytes:
            low = middle
        else:
            high = middle - 1
    return low * need.multiple


def cut(height: int, width: int, rows: int, columns: int, halo_px: int, multiple: int) -> tuple[Tile, ...]:
    """Cut a picture into cores of at most rows x columns, each with its halo as far as the picture goes.

    Every pixel lies in exactly one core. Windows begin at multiples of ``multiple``, and end at one or at
    the picture's edge. ``rows`` and ``columns`` must be multiples of it. Tiles with windows of the same size
    follow each other, so that they can use the same working memory.
    """
    halo = _round_up(halo_px, multiple)
    tiles = [
        Tile(
            Box(top, left, min(top + rows, height), min(left + columns, width)),
            Box(
                max(0, top - halo),
                max(0, left - halo),
                min(top + rows + halo, height),
                min(left + columns + halo, width),
            ),
        )
        for top in range(0, height, rows)
        for left in range(0, width, columns)
    ]
    return tuple(sorted(tiles, key=lambda tile: (tile.window.height, tile.window.width)))
