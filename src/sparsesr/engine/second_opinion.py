"""Tells broken arithmetic from an unusual picture: computes the suspicious part of a result again.

The scalar kernels, which define every operation, compute the block whose colour moved most, in the precision and with
the attention vectors of the result. If they agree, the arithmetic is right. A model may still be broken: if the mean
colour of the whole image moved, the network must at least keep a flat colour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sparsesr.engine.check import Shift, allowed_shift, broken
from sparsesr.engine.chop import has_pixel_attention, overlap
from sparsesr.engine.plan import Box, Mode, Plan
from sparsesr.image.samples import peak_of
from sparsesr.runtime.backend.native.instruction_set import scalar_kernels
from sparsesr.runtime.session import RunResult, Session

if TYPE_CHECKING:
    from sparsesr.engine.execute import Network, RunOptions

Pixels = npt.NDArray[Any]

_MEAN_TOLERANCE = 6 / 255
"""Half of the smallest suspicious shift: right and broken results of a photograph are further apart."""
_PIXEL_TOLERANCE = 16 / 255
"""Mean difference of pixels; in bf16, masks that are nearly undecided may fall differently in a whole pattern."""

_FLAT_PX = 32


def require_second_opinion(
    network: Network, pixels: Pixels, run: RunResult, shift: Shift, plan: Plan, options: RunOptions
) -> str | None:
    """Check the suspicious block of a run; a note if the mean colour of the whole image moved.

    Raises:
        ResultError: the scalar kernels disagree, or the network does not even keep a flat colour.
        CancelledError: ``options.cancelled`` returned True.
    """
    window, compared = _window(network, pixels, shift.box, plan)
    part = np.ascontiguousarray(pixels[window.slices])
    if window.area == pixels.shape[0] * pixels.shape[1]:
        network.session.keep_buffers(0)  # the whole image runs again, and both together may be too much
    session = network.session
    with scalar_kernels():
        plain = Session(network.model, session.threads, session.precision, rest=session.rest, emulate=True)
        again = plain.run(
            part,
            dense=options.dense,
            effort=options.effort,
            attention=run.attention or None,
            low_memory=True,
            cancelled=options.cancelled,
        )
        _require_agreement(network, run.image, again.image, window, compared, shift)
        if not shift.is_of_image:
            return None
        _require_flat_colour(network, plain, part)
    return (
        f"the mean colour of the result differs by {shift.image_levels:.0f}/255 from the input: an unusual pattern;"
        " a part was computed again with the plain kernels and is right"
    )


def _window(network: Network, pixels: Pixels, block: Box, plan: Plan) -> tuple[Box, Box]:
    """The LR pixels to compute, and those to compare: the block, or as much of it as one crop computed."""
    height, width = pixels.shape[:2]
    if plan.mode is Mode.CHOPPED:
        tile = max(plan.tiles, key=lambda tile: overlap(tile.core, block).area)
        return tile.window, overlap(tile.core, block)
    if has_pixel_attention(network.model.graph):
        return Box(0, 0, height, width), block
    multiple = network.multiple
    halo = -(-network.halo_px // multiple) * multiple
    window = Box(
        max(0, block.top // multiple * multiple - halo),
        max(0, block.left // multiple * multiple - halo),
        min(height, -(-block.bottom // multiple) * multiple + halo),
        min(width, -(-block.right // multiple) * multiple + halo),
    )
    return window, block


def _require_agreement(
    network: Network, result: Pixels, again: Pixels, window: Box, compared: Box, shift: Shift
) -> None:
    ours = result[compared.enlarged(network.scale).slices]
    plain = again[compared.within(window).enlarged(network.scale).slices]
    difference = ours.astype(np.float64) - plain
    peak = peak_of(result.dtype)
    of_mean = float(np.abs(difference.mean(axis=(0, 1))).max()) / peak
    of_pixels = float(np.abs(difference).mean()) / peak
    if of_mean > _MEAN_TOLERANCE or of_pixels > _PIXEL_TOLERANCE:
        raise broken(
            network.name,
            f"the mean colour at {shift.box.left},{shift.box.top} differs by {shift.block_levels:.0f}/255 from the"
            " input, and the plain kernels give another result",
        )


def _require_flat_colour(network: Network, plain: Session, part: Pixels) -> None:
    """Upscale the mean colour of a part, far enough from borders, where networks read zeros beyond the image."""
    colour = part.mean(axis=(0, 1), dtype=np.float64).round(0 if part.dtype.kind != "f" else 6)
    flat = np.broadcast_to(colour.astype(part.dtype), (_FLAT_PX, _FLAT_PX, len(colour)))
    result = plain.run(np.ascontiguousarray(flat), low_memory=True).image
    height, width = result.shape[:2]
    centre = result[height // 4 : height - height // 4, width // 4 : width - width // 4]
    peak = peak_of(part.dtype)
    moved = float(np.abs(centre.mean(axis=(0, 1), dtype=np.float64) - colour).max()) / peak
    if moved > allowed_shift(_FLAT_PX, _FLAT_PX):
        raise broken(
            network.name, f"the mean colour of a flat area differs by {255 * moved:.0f}/255 from the input"
        )
