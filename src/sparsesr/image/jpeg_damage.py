"""Warnings of the JPEG decoder, classified as damage or as harmless irregularities.

JPEG has no checksums, and libjpeg continues after damage with a warning. libvips can be told to fail on
warnings, but then also fails on harmless ones, and it does not check for those of the last rows.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from sparsesr.forked import RenewedLock

_WARNING = re.compile(r"VipsJpeg: (.+)")
_COUNT = re.compile(r"read gave (\d+) warnings")
_HARMLESS = re.compile(r"Invalid SOS parameters|nknown (JFIF|Adobe)|bytes before marker")
_LEFT_OVER = "bytes before marker"
# libvips logs for the whole process, so warnings can be attributed to only one image at a time.
_one_at_a_time = RenewedLock()


@dataclass
class JpegWarnings:
    """The decoder reports the text of its first warning only, and at the end their number."""

    first: str = ""
    count: int = 0

    def record(self, text: str) -> None:
        """Record a message of libvips: a warning or its final error."""
        said, counted = _WARNING.search(text), _COUNT.search(text)
        if said is not None:
            self.first = self.first or said.group(1).strip()
            self.count = max(self.count, 1)
        if counted is not None:
            self.count = max(self.count, int(counted.group(1)))

    def damage(self, *, has_several_scans: bool) -> str:
        """Return the warning that indicates wrong pixels, "" if none does.

        Extra bytes before a marker lie between header segments and change nothing, except in an image with
        several scans (a progressive one), where they mean that a scan was misread.
        """
        if self.count == 0:
            return ""
        is_harmless = _HARMLESS.search(self.first) is not None
        if self.count > 1 or not is_harmless or (has_several_scans and _LEFT_OVER in self.first):
            return self.first or f"{self.count} warnings"
        return ""


class _Listener(logging.Handler):
    def __init__(self, warnings: JpegWarnings) -> None:
        super().__init__(logging.WARNING)
        self.warnings = warnings

    def emit(self, record: logging.LogRecord) -> None:
        self.warnings.record(record.getMessage())


@contextmanager
def jpeg_warnings() -> Generator[JpegWarnings, None, None]:
    """Yield the warnings of the JPEG decoder within the block, filled in as it decodes."""
    warnings = JpegWarnings()
    listener, logger = _Listener(warnings), logging.getLogger("pyvips")
    with _one_at_a_time:
        logger.addHandler(listener)
        try:
            yield warnings
        finally:
            logger.removeHandler(listener)
