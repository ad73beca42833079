"""Tests of videos need PyAV, which the oldest supported Python has no new enough version of."""

from __future__ import annotations

import importlib.util

collect_ignore_glob = [] if importlib.util.find_spec("av") else ["test_*.py"]
