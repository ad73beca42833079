"""Size of the padded image that a network runs on."""

from __future__ import annotations

from dataclasses import dataclass

from sparsesr.modelfile.operations.value_types import FULL, ValueType


@dataclass(frozen=True)
class Grid:
    """Size of the padded LR image, and the model's scale."""

    height: int
    width: int
    scale: int

    @property
    def pixels(self) -> int:
        """Number of LR pixels."""
        return self.height * self.width

    def size(self, value: ValueType) -> tuple[int, int]:
        """Rows and columns of a map."""
        resolution = value.resolution or FULL
        return resolution.of(self.height), resolution.of(self.width)
