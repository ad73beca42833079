"""Colour tags of a stream (ITU-T H.273), kept in the result, and what they mean for samples."""

from __future__ import annotations

from dataclasses import dataclass, replace

from av import VideoFrame

from sparsesr.errors import InputError
from sparsesr.video.colour import BT601, BT709, BT2020, FCC, SMPTE240M

UNSPECIFIED = 2
FULL_RANGE, LIMITED_RANGE = 2, 1
_RGB, _BT709, _BT601 = 0, 1, 6
_LUMA_WEIGHTS = {1: BT709, 4: FCC, 5: BT601, 6: BT601, 7: SMPTE240M, 9: BT2020}
"""By matrix: those that are linear in the coded RGB."""
_NAMES = {0: "RGB", 8: "YCgCo", 10: "BT.2020 constant luminance", 14: "ICtCp"}
_HD_ROWS = 720


@dataclass(frozen=True)
class ColourTags:
    """Code points; 2 is unspecified, for the range 0."""

    range: int
    matrix: int
    primaries: int
    transfer: int

    @property
    def is_full_range(self) -> bool:
        """True if luma is 0..255 in 8 bits."""
        return self.range == FULL_RANGE

    @property
    def luma_weights(self) -> tuple[float, float]:
        """KR and KB."""
        return _LUMA_WEIGHTS[self.matrix]


def tags_of(frame: VideoFrame, *, is_rgb: bool, is_grey: bool, where: str) -> tuple[ColourTags, list[str]]:
    """The tags for the result, and notes.

    A matrix that is not stated is taken by the size of the picture, as players do, and stated in the result, whose
    size is another. InputError for a matrix that is not supported.
    """
    stated = ColourTags(frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc)
    if frame.format.name.startswith("yuvj"):
        stated = replace(stated, range=FULL_RANGE)
    if is_grey and stated.range == 0:
        stated = replace(stated, range=FULL_RANGE)  # FFmpeg's convention
    if is_rgb:
        return replace(stated, matrix=_BT709, range=LIMITED_RANGE), [
            "the RGB of the input is written as YUV (BT.709, limited range)"
        ]
    if stated.matrix == UNSPECIFIED or is_grey:
        is_hd = frame.height >= _HD_ROWS
        assumed = replace(stated, matrix=_BT709 if is_hd else _BT601)
        name = "BT.709" if is_hd else "BT.601"
        note = (
            f"the input does not state its colour matrix: taken and written as {name}, as usual for its size"
        )
        return assumed, [] if is_grey else [note]
    if stated.matrix not in _LUMA_WEIGHTS:
        name = _NAMES.get(stated.matrix, f"number {stated.matrix}")
        raise InputError(
            f"the colour matrix {name} is not supported", where=where, remedy="convert it to BT.709 first"
        )
    return stated, []
