"""Check that the environment has no torch and that sparsesr is imported from it, not from the source tree."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("torch") is not None:
    sys.exit("error: torch is installed in this environment, which must not contain it")

import sparsesr

where = Path(sparsesr.__file__)
if not where.is_relative_to(sys.prefix):
    sys.exit(f"error: sparsesr was imported from {where}, not from the environment")
print(f"no torch; sparsesr {sparsesr.__version__} from {where.parent}")
