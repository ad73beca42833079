"""``Job``: an upscaling that a client watches: its state, progress, remaining time and result."""

from __future__ import annotations

from dataclasses import dataclass

from sparsesr.errors import SparsesrError
from sparsesr.serve.images import SourceImage
from sparsesr.serve.lane import Task
from sparsesr.serve.savings import Savings
from sparsesr.serve.upscaling import Result
from sparsesr.serve.wishes import Wishes

_ENCODING_SHARE = 0.03
"""Of a whole job, left for writing the result after the network."""
_SURE_AFTER_S, _SURE_SHARE = 0.5, 0.02
"""Before either, no remaining time is told."""


@dataclass
class Job:
    """A job, whether it waits, runs or is over."""

    image_id: str
    image: SourceImage
    wishes: Wishes
    task: Task
    owns_image: bool = False
    """The image came with the job, and goes with it."""
    share: float = 0.0
    """Of the network's work, 0 to 1."""
    savings: Savings | None = None
    """Measured when a client asks for it."""

    def report(self, done: int, total: int) -> None:
        """Progress of the network."""
        self.share = done / max(total, 1)

    @property
    def progress(self) -> float:
        """Of the whole job, 0 to 1."""
        return 1.0 if self.task.state == "done" else self.share * (1 - _ENCODING_SHARE)

    @property
    def seconds(self) -> float:
        """Time of the work so far, or in all."""
        result = self.result
        return self.task.running_s if result is None else float(result.record["seconds"])

    @property
    def seconds_left(self) -> float | None:
        """Expected; None if it is too early to tell."""
        elapsed = self.task.running_s
        if self.task.state != "running" or (elapsed < _SURE_AFTER_S and self.share < _SURE_SHARE):
            return None
        return elapsed * (1 - self.progress) / self.progress if self.progress > 0 else None

    @property
    def result(self) -> Result | None:
        """The result, once it is there."""
        return self.task.outcome.result() if self.task.state == "done" else None

    @property
    def error(self) -> SparsesrError | None:
        """Why there is none."""
        if not self.task.is_over or self.task.state == "done":
            return None
        error = self.task.outcome.exception()
        return error if isinstance(error, SparsesrError) else None

    def close(self) -> None:
        """Stop the work, and drop the result as soon as there is one."""
        self.task.cancel()
        self.task.drop_outcome()
