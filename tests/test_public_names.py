"""The public names work in any order of use."""

from __future__ import annotations

import subprocess
import sys

import pytest

USES = {
    "twice": "sparsesr.upscale(image, scale=2)",
    "after Upscaler": "sparsesr.Upscaler",
    "after a module of the package": "import sparsesr.engine.plan",
    "after load": "sparsesr.load('smsr_s_x2')",
}


@pytest.mark.parametrize("before", USES.values(), ids=USES)
def test_upscale_can_be_called(before):
    code = (
        "import numpy as np, sparsesr\n"
        "image = np.zeros((4, 6, 3), np.uint8)\n"
        f"{before}\n"
        "print(sparsesr.upscale(image, scale=2).shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "(8, 12, 3)\n", done.stderr


def test_all_names_can_be_imported():
    code = "import sparsesr; print([getattr(sparsesr, name) is not None for name in sparsesr.__all__])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "False" not in done.stdout
