"""``Schedule``: which worker does which files next.

Guided self-scheduling (Polychronopoulos and Kuck 1987): workers take chunks whose size falls with what is left, so that
all end at nearly the same time; here also of at most some seconds and some number of files.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sparsesr.cluster.items import Item

MOST_KILLS = 3
"""Workers that a file may kill, when it is alone, before it is given up."""
_CHUNK_S = 2.0
_MOST_FILES = 64
_FIRST_FILES = 2
"""Before any time is known."""
_MOST_AHEAD = 2
"""Chunks of a worker: one that it does, and the next one, so that it never waits."""

Chunk = list[Item]


class Schedule:
    """Hands out files in chunks; counts what is left; knows what a lost worker had."""

    def __init__(self, items: Iterator[Item | None], count: int) -> None:
        """``items``: in order, with None for each of the ``count`` files that needs no work."""
        self._items, self._left = items, count
        self._again: deque[Chunk] = deque()
        """Chunks of lost workers."""
        self._kills: dict[Path, int] = {}
        self._given: dict[int, deque[deque[Item]]] = {}
        """Chunks of each worker, without the files that have been answered."""
        self._seconds, self._answers = 0.0, 0

    @property
    def is_done(self) -> bool:
        """True if nothing is left to hand out or to be answered."""
        return not (self._left or self._again or any(self._given.values()))

    def next_chunk(self, worker: int, workers: int) -> Chunk:
        """Files for the worker, one of so many; none if it has enough, or there are none."""
        ahead = len(self._given.get(worker, ()))
        if ahead and (ahead >= _MOST_AHEAD or self._again or self._left < _MOST_AHEAD * workers):
            return []
        chunk = self._again.popleft() if self._again else self._drawn(self._size(workers))
        if chunk:
            self._given.setdefault(worker, deque()).append(deque(chunk))
        return chunk

    def answered(self, worker: int, seconds: float) -> Item:
        """Note that the worker has answered its next file; return the file."""
        chunks = self._given[worker]
        item = chunks[0].popleft()
        if not chunks[0]:
            chunks.popleft()
        self._kills.pop(item.target, None)
        self._seconds += seconds
        self._answers += 1
        return item

    def lost(self, worker: int) -> Chunk:
        """Hand out the files of a lost worker again; return those that have killed too many.

        Any file of its current chunk may have killed it, so each gets a chunk of its own.
        """
        chunks = self._given.pop(worker, deque())
        suspects = list(chunks.popleft()) if chunks else []
        fatal: Chunk = []
        if len(suspects) == 1:
            alone = suspects[0].target
            self._kills[alone] = self._kills.get(alone, 0) + 1
            if self._kills[alone] >= MOST_KILLS:
                fatal, suspects = suspects, []
        for chunk in [*([item] for item in suspects), *chunks]:
            self._again.append([replace(item, is_again=True) for item in chunk])
        return fatal

    def _size(self, workers: int) -> int:
        guided = -(-self._left // (_MOST_AHEAD * workers))
        timed = _FIRST_FILES
        if self._answers:
            timed = int(min(_CHUNK_S * self._answers / max(self._seconds, 1e-9), _MOST_FILES))
        return max(1, min(guided, timed))

    def _drawn(self, size: int) -> Chunk:
        """Up to ``size`` files; fewer after a stretch of many that need no work, which are reported meanwhile."""
        chunk: Chunk = []
        for _ in range(max(size, _MOST_FILES)):
            if not self._left or len(chunk) == size:
                break
            self._left -= 1
            item = next(self._items)
            if item is not None:
                chunk.append(item)
        return chunk
