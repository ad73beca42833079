"""Plot of quality against time as SVG, written without a plotting library."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from sparsesr.measure.plot_labels import Box, place_labels
from sparsesr.measure.tables import TableRow

_WIDTH, _HEIGHT = 480, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 24, 34, 46
_COLOURS = ("#1b6ca8", "#c8553d", "#2f7d32", "#7b3f9d", "#b8860b", "#444444")
_OTHER_COLOUR, _FRONTIER_COLOUR = "#8a8a8a", "#cfcfcf"
_DOT_PX = 5
_STEPS = (1, 2, 5)
_MIN_S = 1e-6
"""Shorter times are drawn here, since the axis is logarithmic."""


@dataclass(frozen=True)
class _Axes:
    """Axes of a panel: logarithmic time, linear quality."""

    first_s: float
    last_s: float
    low_db: float
    high_db: float

    def x(self, seconds: float) -> float:
        """Pixel position of a time."""
        passed = math.log10(max(seconds, _MIN_S) / self.first_s)
        return _LEFT + passed / math.log10(self.last_s / self.first_s) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, psnr: float) -> float:
        """Pixel position of a PSNR."""
        share = (psnr - self.low_db) / (self.high_db - self.low_db)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def quality_plot(
    rows: Sequence[TableRow], *, others: Collection[str] = (), time_label: str = "seconds per image"
) -> str:
    """Return SVG text: PSNR-Y over seconds per image (logarithmic), one panel per set, one dot per row.

    Rows of one model on one set, for example of several efforts, are joined in order.

    Args:
        rows: what to show.
        others: models in grey, for comparison; with any, a line shows the frontier: the best quality for a time.
        time_label: title of the axis of times.
    """
    sets = list(dict.fromkeys(row.set for row in rows))
    colours = _colours(rows, others)
    panels = [
        _panel([row for row in rows if row.set == name], (name, time_label), colours, bool(others))
        for name in sets
    ]
    placed = [
        f'<g transform="translate({index * _WIDTH},0)">{panel}</g>' for index, panel in enumerate(panels)
    ]
    width = _WIDTH * len(sets)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT}" '
        f'viewBox="0 0 {width} {_HEIGHT}" font-family="sans-serif" font-size="11">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(placed) + "\n</svg>\n"
    )


def _colours(rows: Sequence[TableRow], others: Collection[str]) -> dict[str, str]:
    shown = [model for model in dict.fromkeys(row.model for row in rows) if model not in others]
    return dict.fromkeys(others, _OTHER_COLOUR) | {
        model: _COLOURS[index % len(_COLOURS)] for index, model in enumerate(shown)
    }


def _panel(
    rows: Sequence[TableRow], titles: tuple[str, str], colours: Mapping[str, str], has_frontier: bool
) -> str:
    finite = [row for row in rows if math.isfinite(row.psnr_y)]
    seconds = [max(row.seconds, _MIN_S) for row in rows]
    quality = [row.psnr_y for row in finite] or [0.0]
    low, high, step = _linear_range(min(quality), max(quality))
    axes = _Axes(*_decades(min(seconds), max(seconds)), low, high)
    return "".join(
        [
            _text(_WIDTH / 2, 18, titles[0], weight="bold"),
            _text(_WIDTH / 2, _HEIGHT - 10, titles[1]),
            _upright("PSNR-Y, dB"),
            *_grid(axes, step),
            *(_frontier(axes, finite) if has_frontier else []),
            *_curves(axes, finite, colours),
        ]
    )


def _frontier(axes: _Axes, rows: Sequence[TableRow]) -> list[str]:
    """Stairs through the rows that no faster row reaches in quality."""
    best, corners = -math.inf, list[tuple[float, float]]()
    for row in sorted(rows, key=lambda row: (row.seconds, -row.psnr_y)):
        if row.psnr_y > best:
            x = axes.x(row.seconds)
            corners += [(x, axes.y(best)), (x, axes.y(row.psnr_y))] if corners else [(x, axes.y(row.psnr_y))]
            best = row.psnr_y
    corners.append((_WIDTH - _RIGHT, axes.y(best)))
    return [_line(*start, *end, _FRONTIER_COLOUR, width=3) for start, end in pairwise(corners)]


def _grid(axes: _Axes, step: float) -> list[str]:
    parts: list[str] = []
    for tick in _log_ticks(axes.first_s, axes.last_s):
        x = axes.x(tick)
        parts += [_line(x, _TOP, x, _HEIGHT - _BOTTOM), _text(x, _HEIGHT - _BOTTOM + 15, f"{tick:g}")]
    for count in range(round((axes.high_db - axes.low_db) / step) + 1):
        value = axes.low_db + count * step
        y = axes.y(value)
        parts += [_line(_LEFT, y, _WIDTH - _RIGHT, y), _text(_LEFT - 6, y + 4, f"{value:g}", anchor="end")]
    return parts


def _curves(axes: _Axes, rows: Sequence[TableRow], colours: Mapping[str, str]) -> list[str]:
    """Each model's dots, joined, with its name at one of them."""
    lines, dots, named, taken = list[str](), list[str](), list[tuple[str, float, float]](), list[Box]()
    for model in sorted(
        dict.fromkeys(row.model for row in rows), key=lambda name: colours[name] == _OTHER_COLOUR
    ):
        points = [(axes.x(row.seconds), axes.y(row.psnr_y)) for row in rows if row.model == model]
        lines += [_line(*start, *end, colours[model]) for start, end in pairwise(points)]
        dots += [_dot(x, y, colours[model]) for x, y in points]
        taken += [Box(x - _DOT_PX, y - _DOT_PX, x + _DOT_PX, y + _DOT_PX) for x, y in points]
        named.append((model, *points[-1]))
    labels = place_labels(named, taken, Box(_LEFT, _TOP, _WIDTH, _HEIGHT - _BOTTOM))
    leaders = [_line(*label.leader, _FRONTIER_COLOUR) for label in labels if label.leader]
    names = [
        _text(label.x, label.y, label.text, label.anchor, colour=colours[label.text]) for label in labels
    ]
    return [*leaders, *lines, *dots, *names]


def _decades(least: float, most: float) -> tuple[float, float]:
    """Range of times with a margin for the dots."""
    return least / 1.6, most * 1.6


def _log_ticks(first: float, last: float) -> list[float]:
    exponents = range(math.floor(math.log10(first)), math.ceil(math.log10(last)) + 1)
    return [
        step * 10.0**exponent
        for exponent in exponents
        for step in _STEPS
        if first <= step * 10.0**exponent <= last
    ]


def _linear_range(least: float, most: float) -> tuple[float, float, float]:
    """Round numbers (low, high, step) around the values, about four steps apart."""
    wanted = max(most - least, 0.2) / 4
    power = 10.0 ** math.floor(math.log10(wanted))
    step = next((size * power for size in _STEPS if size * power >= wanted), 10 * power)
    return math.floor(least / step) * step, math.ceil((most + step / 4) / step) * step, step


def _line(x1: float, y1: float, x2: float, y2: float, colour: str = "#eeeeee", width: int = 1) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{width}"/>'


def _text(
    x: float, y: float, text: str, anchor: str = "middle", weight: str = "normal", colour: str = "#222222"
) -> str:
    style = f'text-anchor="{anchor}" font-weight="{weight}" fill="{colour}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'


def _upright(text: str) -> str:
    return f'<text transform="translate(14,{_HEIGHT / 2}) rotate(-90)" text-anchor="middle">{escape(text)}</text>'


def _dot(x: float, y: float, colour: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{_DOT_PX}" fill="{colour}"/>'
