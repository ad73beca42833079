"""``python -m sparsesr``."""

from __future__ import annotations

import sys

from sparsesr.cli.main import main

if __name__ == "__main__":  # not in spawned processes
    sys.exit(main())
