"""``OutputSize``: the size that a result shall have, as a factor or in pixels, and the networks that lead to it."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from sparsesr.engine.arguments import check_numbers, check_whole_numbers
from sparsesr.errors import InputError, Parameter, UsageError, Wording

MAX_SCALE = 64
_MAX_SIDE_PX = 1_000_000
_MAX_PASSES = 6


def written_size(text: str) -> tuple[int, int] | None:
    """``1920x1080`` -> (1920, 1080), width first; None for anything else."""
    match = re.fullmatch(r"\s*(\d{1,7})\s*[xX×]\s*(\d{1,7})\s*", text)
    return None if match is None else (int(match.group(1)), int(match.group(2)))


@dataclass(frozen=True)
class OutputSize:
    """One of: a factor; a width, a height or both; a box into which the result fits. All None: the network's factor."""

    scale: float | None = None
    """Output size / input size, from 1 to 64; odd sizes are rounded up, as MATLAB's ``imresize`` does."""
    width: int | None = None
    """In pixels; without a height, the aspect ratio is kept."""
    height: int | None = None
    fit: tuple[int, int] | None = None
    """(width, height) of a box: the largest result in it with the aspect ratio of the input."""

    def __post_init__(self) -> None:
        """Raise UsageError for values that are not sizes, or too many of them."""
        named = {
            "scale": self.scale is not None,
            "width": self.width is not None or self.height is not None,
            "fit": self.fit is not None,
        }
        given = [name for name, is_given in named.items() if is_given]
        if len(given) > 1:
            remedy = Wording("leave out {} or {}", *given[:2])
            raise UsageError("the size is given twice", where=Parameter(given[1]), remedy=remedy)
        _check_scale(self.scale)
        for name, value in (("width", self.width), ("height", self.height), *_sides(self.fit)):
            _check_side(name, value)
        self._take_plain_numbers()

    def _take_plain_numbers(self) -> None:
        """Replace numbers of other libraries, which fractions do not take or which overflow."""
        for name, kind in (("scale", float), ("width", int), ("height", int)):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else kind(value))
        if self.fit is not None:
            object.__setattr__(self, "fit", (int(self.fit[0]), int(self.fit[1])))

    @property
    def is_in_pixels(self) -> bool:
        """True if the factor depends on the image."""
        return any(each is not None for each in (self.width, self.height, self.fit))

    @property
    def label(self) -> str:
        """For names of files: ``x1.5``, ``w1920``, ``h1080``, ``1920x1080`` or ``fit1920x1080``; "" for no request."""
        if self.scale is not None:
            return f"x{self.scale:g}"
        if self.fit is not None:
            return f"fit{self.fit[0]}x{self.fit[1]}"
        if self.width is not None and self.height is not None:
            return f"{self.width}x{self.height}"
        if self.width is not None:
            return f"w{self.width}"
        return "" if self.height is None else f"h{self.height}"

    def factors(self, height: int, width: int) -> tuple[Fraction, Fraction]:
        """Output size / input size of an image, down and across; without any request, 0.

        Raises:
            InputError: the image would have to shrink.
        """
        if self.scale is not None:
            # A float such as 1.1 means eleven tenths, not its binary approximation.
            down = across = Fraction(self.scale).limit_denominator(10_000)
        elif self.fit is not None:
            down = across = min(Fraction(self.fit[0], width), Fraction(self.fit[1], height))
        else:
            across = None if self.width is None else Fraction(self.width, width)
            down = None if self.height is None else Fraction(self.height, height)
            across, down = across or down or Fraction(0), down or across or Fraction(0)
        if 0 < max(down, across) < 1:
            raise InputError(
                f"has {width}x{height} px already, and would have to shrink",
                remedy=Wording(
                    "ask for a larger {}, or use a program that shrinks", self.parameter_of((down, across))
                ),
            )
        return down, across

    def parameter_of(self, factors: tuple[Fraction, Fraction]) -> str:
        """The parameter that asks for these factors, the larger of them."""
        if not self.is_in_pixels:
            return "scale"
        if self.fit is not None:
            return "fit"
        is_height = self.width is None or (self.height is not None and factors[0] > factors[1])
        return "height" if is_height else "width"


def passes_for(factor: Fraction, scales: Sequence[int], parameter: str = "scale") -> tuple[int, ...]:
    """The scales of networks to run in sequence for an enlargement by at least ``factor``.

    As few as possible; of those, the smallest product; the smallest scale first, since later passes cost more.
    ``parameter`` asks for the factor.

    Raises:
        UsageError: no sequence of six is enough.
    """
    for count in range(1, _MAX_PASSES + 1):
        enough = [
            each
            for each in itertools.combinations_with_replacement(sorted(scales), count)
            if math.prod(each) >= factor
        ]
        if enough:
            return min(enough, key=math.prod)
    raise UsageError(
        f"an enlargement by {float(factor):.6g} is out of reach",
        where=Parameter(parameter),
        remedy=Wording("choose a smaller {}", parameter),
    )


def enlarged_size(height: int, width: int, factors: tuple[Fraction, Fraction]) -> tuple[int, int]:
    """(height, width) of a result; fractions of pixels are rounded up."""
    return math.ceil(height * factors[0]), math.ceil(width * factors[1])


def _sides(fit: Any) -> list[tuple[str, int]]:
    if fit is None:
        return []
    try:
        width, height = fit
    except (TypeError, ValueError):
        width = height = None
    if width is None or height is None:
        raise UsageError(f"must be a width and a height, not {fit!r}", where=Parameter("fit"))
    return [("fit", width), ("fit", height)]


def _check_scale(scale: float | None) -> None:
    check_numbers(scale=scale)
    if scale is not None and not 1 <= scale <= MAX_SCALE:
        raise UsageError(f"must be 1 to {MAX_SCALE}, not {scale}", where=Parameter("scale"))


def _check_side(name: str, value: int | None) -> None:
    check_whole_numbers(**{name: value})
    if value is not None and not 1 <= value <= _MAX_SIDE_PX:
        raise UsageError(f"must be 1 to {_MAX_SIDE_PX} pixels, not {value}", where=Parameter(name))
