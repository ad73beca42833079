"""Marks for tests that need certain processor instructions."""

from __future__ import annotations

import pytest

from sparsesr import _native

needs_bf16 = pytest.mark.skipif(not _native.has_fast_bf16(), reason="this processor has no bf16 instructions")
