"""Letters of 5x7 pixels, so that pictures can be labelled on machines without any font."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUV"
# One base-32 digit per row of five pixels, leftmost pixel first.
_SHAPES = (
    "A EHHVHHH B UHHUHHU C EHGGGHE D UHHHHHU E VGGUGGV F VGGUGGG G EHGNHHE H HHHVHHH I E44444E J 72222IC "
    "K HIKOKIH L GGGGGGV M HRLLHHH N HHPLJHH O EHHHHHE P UHHUGGG Q EHHHLID R UHHUKIH S FGGE11U T V444444 "
    "U HHHHHHE V HHHHHA4 W HHHLLLA X HHA4AHH Y HHA4444 Z V1248GV 0 EHJLPHE 1 4C4444E 2 EH1248V 3 V2421HE "
    "4 26AIV22 5 VGU11HE 6 68GUHHE 7 V124888 8 EHHEHHE 9 EHHF12C . 00000CC , 0000C48 : 0CC0CC0 % OP248J3 "
    "- 000V000 + 044V440 / 01248G0 ( 2488842 ) 8422248 _ 000000V = 00V0V00 ? EH12404"
)
_PARTS = _SHAPES.split(" ")
_GLYPHS = {**dict(zip(_PARTS[::2], _PARTS[1::2], strict=True)), " ": "0000000"}
_ROWS, _COLUMNS, _ADVANCE = 7, 5, 6


def lettering(text: str, size: int = 2) -> npt.NDArray[np.bool_]:
    """Return (7 size, n) ink of one line of capitals; ``size`` is the side of a dot in pixels."""
    line = np.zeros((_ROWS, max(1, len(text) * _ADVANCE - 1)), np.bool_)
    for position, character in enumerate(text.upper()):
        code = _GLYPHS.get(character, _GLYPHS["?"])
        for row, digit in enumerate(code):
            bits = _DIGITS.index(digit)
            for column in range(_COLUMNS):
                line[row, position * _ADVANCE + column] = bits >> (_COLUMNS - 1 - column) & 1
    return line.repeat(size, axis=0).repeat(size, axis=1)


def write_on(
    canvas: npt.NDArray[np.uint8], text: str, top: int, left: int, colour: tuple[int, int, int], size: int = 2
) -> None:
    """Draw a line of text onto (H, W, 3) pixels in place; what does not fit is cut off."""
    ink = lettering(text, size)[: max(0, canvas.shape[0] - top), : max(0, canvas.shape[1] - left)]
    canvas[top : top + ink.shape[0], left : left + ink.shape[1]][ink] = colour
