"""Planes of an image as a file or a PIL image stores them: grey again, linear again, in its depth."""

from __future__ import annotations

from sparsesr.image import colour
from sparsesr.image.decoded_image import DecodedImage, Pixels


def stored_planes(image: DecodedImage, bits: int) -> list[Pixels]:
    """The colours, (H, W) or (H, W, 3), and alpha (H, W) if there is one, as samples of ``bits``, 8 or 16."""
    working_bits = image.rgb.dtype.itemsize * 8
    pixels = colour.to_grey(image.rgb) if image.layout == "grey" else image.rgb
    table = colour.output_table(working_bits, bits, image.transfer == "linear")
    planes = [pixels if table is None else colour.look_up(table, pixels)]
    if image.alpha is not None:
        table = colour.output_table(working_bits, bits, is_linear=False)
        planes.append(image.alpha if table is None else colour.look_up(table, image.alpha))
    return planes
