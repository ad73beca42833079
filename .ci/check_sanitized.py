"""Check that the tests will run with the instrumented module, not with an ordinary one."""

from __future__ import annotations

import sys
from pathlib import Path

from sparsesr import _native

where = Path(_native.__file__)
if b"__asan_report_load" not in where.read_bytes():
    sys.exit(f"error: {where} was not built with AddressSanitizer")
if "libasan" not in Path("/proc/self/maps").read_text():
    sys.exit("error: the runtime library of AddressSanitizer is not loaded")
print(f"sanitized: {where}")
