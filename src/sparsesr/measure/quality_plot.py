"""A plot of quality against time: SVG text, written without a plotting library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from sparsesr.measure.tables import TableRow

_WIDTH, _HEIGHT = 420, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 24, 34, 46
_COLOURS = ("#1b6ca8", "#c8553d", "#2f7d32", "#7b3f9d", "#b8860b", "#444444")
_STEPS = (1, 2, 5)


def quality_plot(rows: Sequence[TableRow]) -> str:
    """SVG text: PSNR-Y over seconds per picture (logarithmic), one panel per set, one dot per model."""
    sets = list(dict.fromkeys(row.set for row in rows))
    models = list(dict.fromkeys(row.model for row in rows))
    colours = {model: _COLOURS[index % len(_COLOURS)] for index, model in enumerate(models)}
    panels = [_panel([row for row in rows if row.set == name], name, colours) for name in sets]
    placed = [
        f'<g transform="translate({index * _WIDTH},0)">{panel}</g>' for index, panel in enumerate(panels)
    ]
    width = _WIDTH * len(sets)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT}" '
        f'viewBox="0 0 {width} {_HEIGHT}" font-family="sans-serif" font-size="11">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(placed) + "\n</svg>\n"
    )


def _panel(rows: Sequence[TableRow], name: str, colours: dict[str, str]) -> str:
    seconds = [max(row.seconds, 1e-6) for row in rows]
    quality = [row.psnr_y for row in rows if math.isfinite(row.psnr_y)] or [0.0]
    first, last = _decades(min(seconds), max(seconds))
    low, high, step = _linear_range(min(quality), max(quality))

    def x_of(value: float) -> float:
        share = (math.log10(value) - math.log10(first)) / (math.log10(last) - math.log10(first))
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y_of(value: float) -> float:
        return _HEIGHT - _BOTTOM - (value - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [_text(_WIDTH / 2, 18, f"{name}", weight="bold")]
    parts += [_text(_WIDTH / 2, _HEIGHT - 10, "seconds per picture"), _upright("PSNR-Y, dB")]
    for tick in _log_ticks(first, last):
        x = x_of(tick)
        parts += [_line(x, _TOP, x, _HEIGHT - _BOTTOM), _text(x, _HEIGHT - _BOTTOM + 15, f"{tick:g}")]
    for count in range(round((high - low) / step) + 1):
        value = low + count * step
        y = y_of(value)
        parts += [_line(_LEFT, y, _WIDTH - _RIGHT, y), _text(_LEFT - 6, y + 4, f"{value:g}", anchor="end")]
    for row, time in zip(rows, seconds, strict=True):
        if math.isfinite(row.psnr_y):
            parts.append(_dot(x_of(time), y_of(row.psnr_y), row.model, colours[row.model]))
    return "".join(parts)


def _decades(least: float, most: float) -> tuple[float, float]:
    """A range of times around those given, with room for the dots."""
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
    """(low, high, step) of round numbers around the values, with four steps or so."""
    wanted = max(most - least, 0.2) / 4
    power = 10.0 ** math.floor(math.log10(wanted))
    step = next((size * power for size in _STEPS if size * power >= wanted), 10 * power)
    return math.floor(least / step) * step, math.ceil((most + step / 4) / step) * step, step


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#dddddd"/>'


def _text(x: float, y: float, text: str, anchor: str = "middle", weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}">{escape(text)}</text>'
    )


def _upright(text: str) -> str:
    return f'<text transform="translate(14,{_HEIGHT / 2}) rotate(-90)" text-anchor="middle">{escape(text)}</text>'


def _dot(x: float, y: float, label: str, colour: str) -> str:
    right = x < _WIDTH * 0.6
    text = _text(x + (8 if right else -8), y + 4, label, anchor="start" if right else "end")
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>{text}'
