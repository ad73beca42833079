"""Numbers of a balanced pattern: how many weights of how many are kept. Imports no torch, like recipes."""

from __future__ import annotations

from dataclasses import dataclass

from sparsesr.errors import UsageError


@dataclass(frozen=True)
class Balance:
    """``keep`` of every ``block`` weights: the pattern "k of B"."""

    keep: int = 4
    block: int = 16

    def __post_init__(self) -> None:
        if self.block < 1:
            raise UsageError(
                f"a block of {self.block} weights is impossible", remedy="write 4/16, for example"
            )
        if not 1 <= self.keep <= self.block:
            raise UsageError(
                f"{self.keep} of {self.block} weights cannot be kept",
                remedy=f"keep between 1 and {self.block}, such as {max(self.block // 4, 1)}/{self.block}",
            )

    @property
    def density(self) -> float:
        """Kept share of the weights."""
        return self.keep / self.block

    def keep_of(self, length: int) -> int:
        """Weights kept in a block of ``length``, which is shorter than ``block`` at the end of a tap."""
        return max(round(length * self.keep / self.block), 1)

    def at_sparsity(self, sparsity: float) -> Balance:
        """The pattern of the same blocks nearest to ``sparsity``, keeping at least as many as this one."""
        return Balance(max(round(self.block * (1 - sparsity)), self.keep), self.block)

    def __str__(self) -> str:
        return f"{self.keep}/{self.block}"


def parse_balance(text: str) -> Balance:
    """``4/16`` -> 4 of 16.

    Raises:
        UsageError: it is not two numbers with a slash between, or the numbers make no pattern.
    """
    parts = text.split("/")
    if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
        raise UsageError(f"{text!r} is not a pattern", remedy="write 4/16 to keep 4 of every 16 weights")
    return Balance(*map(int, parts))
