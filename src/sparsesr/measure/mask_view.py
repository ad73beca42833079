"""Mask view: the active pixels of each module, drawn over the photograph, and their mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sparsesr.image.lettering import write_on
from sparsesr.image.resize import imresize
from sparsesr.measure.mask_report import MaskReport, ModuleReport

Canvas = npt.NDArray[np.uint8]

_PANEL_LONG_SIDE_PX = 480
_GAP_PX, _LABEL_PX, _LETTER = 10, 26, 2
_COLUMNS = 4
_BACKGROUND, _TEXT, _FAINT = (24, 26, 30), (236, 236, 236), (150, 154, 160)
_WARM = (255, 146, 43)
# From 0 to 1: dark blue, violet, red, orange, pale yellow.
_HEAT = np.array([(12, 10, 40), (92, 20, 110), (190, 50, 80), (245, 135, 40), (252, 245, 175)], np.float64)


def draw_mask_view(rgb: npt.NDArray[Any], report: MaskReport) -> Canvas:
    """Draw (H, W, 3) uint8 panels: photograph, one per module, the mean, and figures.

    ``rgb`` is the photograph, uint8 or uint16, the size of the masks.
    """
    photo = _fitted(_as_bytes(rgb))
    dimmed = _dimmed_grey(photo)
    work = [_fitted_share(mask) for mask in report.masks]
    panels = [_labelled(photo, "photograph")]
    for module, share in zip(report.modules, work, strict=True):
        panels.append(_labelled(_overlay(dimmed, photo, share), module.name, _percent(module.density)))
    total = np.mean(work, axis=0)
    panels.append(_with_colour_bar(_labelled(_heat(total), "all modules")))
    panels.append(_figures(panels[0].shape, report.total))
    return _grid(panels)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} % active"


def _as_bytes(rgb: npt.NDArray[Any]) -> Canvas:
    return rgb if rgb.dtype == np.uint8 else (rgb >> 8).astype(np.uint8)


def _fitted(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Downscale to the panel's size, or repeat pixels of small images so that masks stay sharp."""
    height, width = image.shape[:2]
    longest = max(height, width)
    if longest <= _PANEL_LONG_SIDE_PX:
        times = max(1, _PANEL_LONG_SIDE_PX // longest)
        return image.repeat(times, axis=0).repeat(times, axis=1)
    size = tuple(max(1, round(side * _PANEL_LONG_SIDE_PX / longest)) for side in (height, width))
    return imresize(image, (size[0], size[1]))


def _fitted_share(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Share of active pixels, 0..1, at the panel's size."""
    return _fitted(mask.astype(np.uint8) * np.uint8(255)) / 255.0


def _luma(photo: Canvas) -> npt.NDArray[np.float64]:
    return np.tensordot(photo.astype(np.float64), np.array([0.299, 0.587, 0.114]), axes=1)


def _dimmed_grey(photo: Canvas) -> npt.NDArray[np.float64]:
    return (_luma(photo) * 0.42)[..., None].repeat(3, axis=2)


def _overlay(dimmed: npt.NDArray[np.float64], photo: Canvas, share: npt.NDArray[np.float64]) -> Canvas:
    """Colour active pixels, keeping the photograph's luminance."""
    shade = (0.40 + 0.60 * _luma(photo) / 255.0)[..., None]
    blend = share[..., None]
    return np.clip(dimmed * (1 - blend) + np.array(_WARM) * shade * blend, 0, 255).astype(np.uint8)


def _heat(share: npt.NDArray[np.float64]) -> Canvas:
    stops = np.linspace(0, 1, len(_HEAT))
    channels = [np.interp(share, stops, _HEAT[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.uint8)


def _canvas(height: int, width: int) -> Canvas:
    return np.full((height, width, 3), _BACKGROUND, np.uint8)


def _labelled(panel: Canvas, title: str, detail: str = "") -> Canvas:
    out = _canvas(panel.shape[0] + _LABEL_PX, panel.shape[1])
    out[_LABEL_PX:] = panel
    size = _LETTER if panel.shape[1] >= 300 else 1
    top = (_LABEL_PX - 7 * size) // 2
    write_on(out, title, top, 2, _TEXT, size)
    if detail:
        write_on(out, detail, top, 2, _WARM, size, right=panel.shape[1] - 2)
    return out


def _with_colour_bar(panel: Canvas) -> Canvas:
    """Draw a colour scale from 0 to all modules in the right half of the label."""
    width = panel.shape[1]
    bar = _heat(np.linspace(0, 1, max(2, width // 4))[None].repeat(10, axis=0))
    left = width - bar.shape[1] - 44
    if left < width // 2 - 10:
        return panel
    top = (_LABEL_PX - 10) // 2
    panel[top : top + 10, left : left + bar.shape[1]] = bar
    write_on(panel, "0", top - 2, left - 16, _FAINT, _LETTER)
    write_on(panel, "all", top - 2, left + bar.shape[1] + 6, _FAINT, _LETTER)
    return panel


def _figures(shape: tuple[int, ...], total: ModuleReport) -> Canvas:
    """Panel of figures: skipped multiply-adds and times."""
    out = _canvas(shape[0], shape[1])
    saved = total.macs_saved / total.macs_dense if total.macs_dense else 0.0
    size = _LETTER if shape[1] >= 300 else 1
    lines = (
        (f"{100 * saved:.0f} %", _WARM, 4 * size),
        ("of the multiply-adds skipped", _TEXT, size),
        (f"{total.macs / 1e9:.3g} of {total.macs_dense / 1e9:.3g} billion computed", _FAINT, size),
        (f"{total.ms:.0f} ms, dense {total.ms_dense:.0f} ms", _FAINT, size),
    )
    top = _LABEL_PX + 8
    for text, colour, scale in lines:
        write_on(out, text, top, 4, colour, scale)
        top += 7 * scale + 6 * size
    return out


def _grid(panels: list[Canvas]) -> Canvas:
    """Arrange panels of one size in rows of up to ``_COLUMNS``."""
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    height, width = panels[0].shape[:2]
    out = _canvas(rows * (height + _GAP_PX) + _GAP_PX, columns * (width + _GAP_PX) + _GAP_PX)
    for index, panel in enumerate(panels):
        top = _GAP_PX + index // columns * (height + _GAP_PX)
        left = _GAP_PX + index % columns * (width + _GAP_PX)
        out[top : top + height, left : left + width] = panel
    return out
