"""``make_plan``: chooses how to upscale an image within a memory limit, before any work starts.

Nothing here allocates or computes pixels. Networks with attention across pixels get crops (see
:mod:`sparsesr.engine.chop`). For all others, modes are tried from best to worst: the whole image with everything
kept in memory, the whole image layer by layer with as few maps as possible (same bits), and tiles (not the same
bits if the network looks at the whole image).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from sparsesr.errors import LimitError, MemoryShortError, Wording
from sparsesr.runtime.backend.arena_pool import KEPT_BYTES

PeakBytes = Callable[[int, int, bool], int]
"""(height, width, low_memory) -> bytes allocated by one run of the network, its output included."""

_MEGABYTE = 1_000_000
PROCESS_BYTES = 90 * _MEGABYTE
"""Memory of Python, numpy, libvips and a model before any image; measured."""
_SMALLEST_CORE_PX = 16


class Mode(Enum):
    """How a network is run over an image."""

    WHOLE = "whole"
    LOW_MEMORY = "low memory"
    CHOPPED = "chopped"
    """Crops upscaled independently, for networks with attention across pixels."""
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

    @property
    def slices(self) -> tuple[slice, slice]:
        """What cuts the rectangle out of an image."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def within(self, window: Box) -> Box:
        """The same pixels, in coordinates of a window that holds them."""
        top, left = window.top, window.left
        return Box(self.top - top, self.left - left, self.bottom - top, self.right - left)

    def enlarged(self, scale: int) -> Box:
        """The pixels of the result that these become."""
        return Box(self.top * scale, self.left * scale, self.bottom * scale, self.right * scale)


@dataclass(frozen=True)
class Tile:
    """``core``: the pixels that a tile contributes. ``window``: the network's input to compute them."""

    core: Box
    window: Box


@dataclass(frozen=True)
class MemoryNeeds:
    """Memory needs of an image, apart from the network's buffers, and constraints on its tiles."""

    height: int
    width: int
    held_bytes: int
    """Held throughout: input pixels, upscaled alpha, the encoder's working memory."""
    output_bytes: int
    """The upscaled image; a run of the network over the whole image includes it, tiles do not."""
    halo_px: int = 0
    """LR pixels of context that a pixel depends on."""
    multiple: int = 1
    """Tiles start at multiples of this, so that pooling uses the same blocks as in the whole image."""
    tile_runs: int = 1
    """Runs of each tile: two for a network that looks at the whole image."""


@dataclass(frozen=True)
class Plan:
    """How one image will be upscaled, and the memory this takes."""

    mode: Mode
    peak_bytes: int
    """Peak memory of the whole process."""
    needs: MemoryNeeds
    tiles: tuple[Tile, ...] = ()
    probe_px: int = 0
    """Side of the square on which the deviation of tiles is measured; 0: none."""
    work_factor: float = 1.0
    """Work relative to one run over the whole image, including halos, repeated tiles and the probe."""
    probe_work: float = 0.0
    """The probe's part of that."""
    untiled_bytes: int = 0
    """Memory that would make tiles unnecessary; 0 without tiles."""
    run_bytes: int = 0
    """Buffers of one run of the network, without its output; 0 with tiles, whose sessions hold their own."""
    spare_bytes: int = 0
    """Memory left between the peak and the limit; 0 with tiles."""
    is_forced: bool = False
    """True if the system refused the memory for a better plan."""

    @property
    def computed_px(self) -> int:
        """LR pixels that the network computes in its last run over the image, overlaps included."""
        return sum(tile.window.area for tile in self.tiles) or self.needs.height * self.needs.width

    @property
    def buffer_bytes(self) -> int:
        """Total buffers that the limit allows, in use or kept."""
        return self.run_bytes + self.spare_bytes

    @property
    def kept_bytes(self) -> int:
        """Limit on buffers kept for later images: those of the latest image, and others while they are small."""
        return min(self.buffer_bytes, max(self.run_bytes, KEPT_BYTES))

    def warning(self) -> Wording | None:
        """A warning to show before work starts; None if there is none."""
        if self.mode is not Mode.TILES:
            return None
        cost = f"{len(self.tiles)} tiles, which take about {self.work_factor:.1f} times the computation"
        needed = f"{-(-self.untiled_bytes // _MEGABYTE)}MB"
        if self.is_forced:
            return Wording(f"memory ran short, which requires {cost}; {needed} would avoid them")
        return Wording(f"the memory limit requires {cost}; {{}} {needed} would avoid them", "memory")


def chopped_plan(need: MemoryNeeds, run_bytes: PeakBytes, limit_bytes: int, tiles: tuple[Tile, ...]) -> Plan:
    """A plan that upscales these crops independently.

    Raises:
        LimitError: they do not fit in ``limit_bytes`` of process memory.
    """
    sizes = {(tile.window.height, tile.window.width) for tile in tiles}
    largest = max(run_bytes(height, width, False) for height, width in sizes)
    peak = PROCESS_BYTES + need.held_bytes + need.output_bytes + largest
    if peak > limit_bytes:
        raise _too_large(need, peak, limit_bytes)
    most_px = max(height * width for height, width in sizes)
    run = largest - need.output_bytes * most_px // (need.height * need.width)
    return Plan(Mode.CHOPPED, peak, need, tiles, run_bytes=run, spare_bytes=limit_bytes - peak)


def _too_large(need: MemoryNeeds, least_bytes: int, limit_bytes: int) -> LimitError:
    return LimitError(
        f"upscaling {need.width}x{need.height} px needs at least {-(-least_bytes // _MEGABYTE)} MB,"
        f" but the limit is {limit_bytes // _MEGABYTE} MB",
        remedy=Wording("raise {}", "memory"),
    )


def make_plan(need: MemoryNeeds, run_bytes: PeakBytes, limit_bytes: int, *, may_tile: bool = True) -> Plan:
    """Choose the best mode within ``limit_bytes`` of process memory.

    Raises:
        LimitError: not even the smallest tiles fit, or, without ``may_tile``, the whole image does not; the
            message states the memory needed.
    """
    fixed = PROCESS_BYTES + need.held_bytes
    peak = 0
    for mode in (Mode.WHOLE, Mode.LOW_MEMORY):
        peak = fixed + run_bytes(need.height, need.width, mode is Mode.LOW_MEMORY)
        if peak <= limit_bytes:
            run = peak - fixed - need.output_bytes
            return Plan(mode, peak, need, run_bytes=run, spare_bytes=limit_bytes - peak)
    if not may_tile:
        raise _too_large(need, peak, limit_bytes)
    return _tiled_plan(need, run_bytes, limit_bytes, fixed + need.output_bytes, peak)


def smaller_plan(plan: Plan, run_bytes: PeakBytes, *, may_tile: bool = True) -> Plan:
    """The plan to try next after the system refused the memory for ``plan``.

    Raises:
        MemoryShortError: there is none.
    """
    least = PROCESS_BYTES + plan.needs.held_bytes + plan.needs.output_bytes
    limit = least + (plan.peak_bytes - least) * _NEXT_SHARE[0] // _NEXT_SHARE[1]
    try:
        if plan.mode is not Mode.CHOPPED:
            smaller = make_plan(plan.needs, run_bytes, limit, may_tile=may_tile)
            return replace(smaller, is_forced=True)
    except LimitError:
        pass
    what = (
        f"not enough memory to upscale {plan.needs.width}x{plan.needs.height} px, even in the smallest parts"
    )
    raise MemoryShortError(what, remedy="free some memory, or shrink the image")


_NEXT_SHARE = (2, 3)
"""Share of the network's memory that is tried next after a refusal."""
_PROBE_SHARE = 8
"""The probe is at most 1/8 of the image, since it costs about five times its area."""


def _tiled_plan(
    need: MemoryNeeds, run_bytes: PeakBytes, limit_bytes: int, fixed: int, untiled_bytes: int
) -> Plan:
    """``untiled_bytes``: memory needed by the low-memory mode, for messages."""
    least_bytes = untiled_bytes
    rows, columns = _round_up(need.height, need.multiple), _round_up(need.width, need.multiple)
    while True:
        tiles = cut_tiles(need.height, need.width, rows, columns, need.halo_px, need.multiple)
        peak = fixed + _worst_tile(tiles, run_bytes)
        least_bytes = min(peak, least_bytes)
        if peak <= limit_bytes:
            probe_px = _probe_side(need, run_bytes, limit_bytes - fixed) if need.tile_runs > 1 else 0
            probe_work = _probe_work(need, probe_px)
            area = need.tile_runs * sum(tile.window.area for tile in tiles)
            work_factor = area / (need.height * need.width) + probe_work
            return Plan(Mode.TILES, peak, need, tiles, probe_px, work_factor, probe_work, untiled_bytes)
        if max(rows, columns) <= _round_up(_SMALLEST_CORE_PX, need.multiple):
            raise _too_large(need, least_bytes, limit_bytes)
        if rows >= columns:
            rows = _smaller(rows, need.multiple)
        else:
            columns = _smaller(columns, need.multiple)


def _probe_work(need: MemoryNeeds, probe_px: int) -> float:
    """Work of the probe, whole and in four tiles (see :mod:`sparsesr.engine.tiles`), relative to the whole image."""
    halved = min(probe_px, probe_px // 2 + need.halo_px)
    return (probe_px**2 + need.tile_runs * 4 * halved**2) / (need.height * need.width)


def _worst_tile(tiles: tuple[Tile, ...], run_bytes: PeakBytes) -> int:
    sizes = {(tile.window.height, tile.window.width) for tile in tiles}
    return max(run_bytes(height, width, True) for height, width in sizes)


def _smaller(size: int, multiple: int) -> int:
    """About three quarters of ``size``, but never below the smallest useful core."""
    return max(_round_up(size * 3 // 4, multiple), _round_up(_SMALLEST_CORE_PX, multiple))


def _round_up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple


def _probe_side(need: MemoryNeeds, run_bytes: PeakBytes, free_bytes: int) -> int:
    """Side of the largest affordable square that fits in memory untiled; by bisection."""
    affordable = int((need.height * need.width / _PROBE_SHARE) ** 0.5)
    low, high = 0, min(need.height, need.width, max(affordable, 4 * need.halo_px)) // need.multiple
    while low < high:
        middle = (low + high + 1) // 2
        side = middle * need.multiple
        results = 2 * need.output_bytes * side * side // (need.height * need.width)
        if run_bytes(side, side, True) + results <= free_bytes:
            low = middle
        else:
            high = middle - 1
    return low * need.multiple


def cut_tiles(
    height: int, width: int, rows: int, columns: int, halo_px: int, multiple: int
) -> tuple[Tile, ...]:
    """Cut an image into cores of at most rows x columns, each with its halo up to the edge of the image.

    Every pixel lies in exactly one core. Windows start at multiples of ``multiple``, and end at one or at the edge
    of the image. ``rows`` and ``columns`` must be multiples of it. Tiles are ordered by the size of their window,
    so that consecutive ones can reuse working memory.
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
