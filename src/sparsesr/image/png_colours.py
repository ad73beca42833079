"""The colour chunks of a PNG: what they state, and which of them still hold for the decoded values."""

from __future__ import annotations

import struct

from sparsesr.image.png_bytes import chunk, chunks_in
from sparsesr.image.stated_colours import StatedColours, of_code_points, of_gamma

_UNIT = 100_000


def stated_by_png(colour_chunks: bytes) -> StatedColours | None:
    """The colours that whole gAMA, cHRM, sRGB and cICP chunks state, by their precedence (PNG 3, section 4.3).

    None if they state sRGB or nothing. A cICP chunk comes before a profile, the others after it.
    """
    bodies = dict(chunks_in(colour_chunks))
    code_points = bodies.get(b"cICP", b"")
    if len(code_points) == 4:
        primaries, transfer, matrix, full_range = code_points
        return of_code_points(primaries, transfer, matrix, full_range != 0)
    if b"sRGB" in bodies or not bodies:
        return None
    gamma, primaries = bodies.get(b"gAMA", b""), bodies.get(b"cHRM", b"")
    return of_gamma(
        struct.unpack(">I", gamma)[0] / _UNIT if len(gamma) == 4 else None,
        tuple(v / _UNIT for v in struct.unpack(">8I", primaries)) if len(primaries) == 32 else None,
    )


def still_true(colour_chunks: bytes, *, is_converted: bool, has_profile: bool) -> bytes:
    """The chunks to repeat: none after a conversion, and beside a profile only cICP, which it does not contradict."""
    if is_converted:
        return b""
    return _whole(b"cICP", colour_chunks) if has_profile else colour_chunks


def _whole(wanted: bytes, colour_chunks: bytes) -> bytes:
    return b"".join(chunk(kind, body) for kind, body in chunks_in(colour_chunks) if kind == wanted)
