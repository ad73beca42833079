"""``python -m sparsesr``."""

from __future__ import annotations

import sys

from sparsesr.cli.main import main

sys.exit(main())
