"""``python -m sparsesr.cli``."""

from __future__ import annotations

import sys

from sparsesr.cli.main import main

sys.exit(main())
