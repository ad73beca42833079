"""What the JPEG decoder complains of while it decodes: damage, or blemishes that change no pixel.

JPEG has no checksums, and libjpeg goes on after damage with a warning. libvips can be told to fail on
warnings, but then also fails on harmless ones, and it does not look for those of the last rows.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

_COMPLAINT = re.compile(r"VipsJpeg: (.+)")
_COUNT = re.compile(r"read gave (\d+) warnings")
_HARMLESS = re.compile(r"Invalid SOS parameters|nknown (JFIF|Adobe)|bytes before marker")
_LEFT_OVER = "bytes before marker"
# libvips logs for the whole process, so that one picture at a time may be listened to.
_one_at_a_time = threading.Lock()


@dataclass
class Complaints:
    """The decoder tells its first complaint only, and at the end how many there were."""

    first: str = ""
    count: int = 0

    def hear(self, text: str) -> None:
        """Take in a message of libvips: a warning, or the error that it gave up with."""
        said, counted = _COMPLAINT.search(text), _COUNT.search(text)
        if said is not None:
            self.first = self.first or said.group(1).strip()
            self.count = max(self.count, 1)
        if counted is not None:
            self.count = max(self.count, int(counted.group(1)))

    def damage(self, *, has_several_scans: bool) -> str:
        """Say what means wrong pixels, "" if nothing does.

        Bytes left over before a marker lie between header segments and change nothing, except in a picture
        of several scans (a progressive one), where they mean that a scan was misread.
        """
        if self.count == 0:
            return ""
        is_harmless = _HARMLESS.search(self.first) is not None
        if self.count > 1 or not is_harmless or (has_several_scans and _LEFT_OVER in self.first):
            return self.first or f"{self.count} warnings"
        return ""


class _Listener(logging.Handler):
    def __init__(self, complaints: Complaints) -> None:
        super().__init__(logging.WARNING)
        self.complaints = complaints

    def emit(self, record: logging.LogRecord) -> None:
        self.complaints.hear(record.getMessage())


@contextmanager
def jpeg_complaints() -> Generator[Complaints, None, None]:
    """Yield what the JPEG decoder complains of inside the block, filled as it decodes."""
    complaints = Complaints()
    listener, logger = _Listener(complaints), logging.getLogger("pyvips")
    with _one_at_a_time:
        logger.addHandler(listener)
        try:
            yield complaints
        finally:
            logger.removeHandler(listener)
