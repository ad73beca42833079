"""``Upscalers``: loaded models, which share one memory budget."""

from __future__ import annotations

import threading
from collections import OrderedDict

from sparsesr.engine.budget import MemoryBudget
from sparsesr.engine.plan import PROCESS_BYTES
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import UsageError
from sparsesr.limits import MEBIBYTE, ServeLimits
from sparsesr.serve.wishes import NetworkWishes

SERVER_BYTES = 110 * MEBIBYTE
"""Of the web framework, connections, tiles on their way and idle models; measured, beyond ``PROCESS_BYTES``."""
_FILES_IN_WORK = 2
"""Encoded images in memory: one of each lane."""
_MASKS_SHARE = 20
"""Masks kept for the overlay take up to 12 bytes per pixel, a twentieth of what plans count for networks with masks."""


class Upscalers:
    """The models that were used last. All work together stays within one memory limit."""

    def __init__(self, memory_bytes: int, threads: int | None, limits: ServeLimits) -> None:
        """``memory_bytes``: limit of the whole process. UsageError if that leaves nothing to work with."""
        self.memory_bytes = memory_bytes
        for_images = memory_bytes - SERVER_BYTES - _FILES_IN_WORK * limits.max_body_bytes
        if for_images <= 2 * PROCESS_BYTES:
            needed = memory_bytes - for_images + 2 * PROCESS_BYTES
            raise UsageError(
                f"{memory_bytes // MEBIBYTE} MiB of memory are too little for a server",
                remedy=f"give it {-(-needed // MEBIBYTE)} MiB or more, or a smaller limit for uploads",
            )
        self._for_images = for_images - for_images // _MASKS_SHARE
        self._threads, self._most = threads, limits.max_models
        self.budget = MemoryBudget(self._for_images - PROCESS_BYTES)
        self._loaded: OrderedDict[NetworkWishes, Upscaler] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, wishes: NetworkWishes) -> Upscaler:
        """The upscaler for these wishes, loaded if necessary. Raises UsageError or ModelError."""
        with self._lock:
            found = self._loaded.pop(wishes, None) or self._load(wishes)
            self._loaded[wishes] = found
            while len(self._loaded) > self._most:
                self._loaded.popitem(last=False)
            return found

    def _load(self, wishes: NetworkWishes) -> Upscaler:
        return Upscaler(
            wishes.model,
            scale=wishes.scale,
            width=wishes.width,
            height=wishes.height,
            fit=wishes.fit,
            threads=self._threads,
            memory=self._for_images,
            inference=wishes.inference,
            precision=wishes.precision,
            budget=self.budget,
        )
