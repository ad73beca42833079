"""The public names work in any order of use."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sparsesr

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


def test_notebooks_complete_the_public_names():
    assert dir(sparsesr) == sorted(sparsesr.__all__)


def test_type_checkers_know_no_other_names():
    """A ``__getattr__`` that they see would stand for every name."""
    tree = ast.parse(Path(sparsesr.__file__).read_text("utf-8"))
    assert "__getattr__" not in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_all_names_can_be_imported():
    code = "import sparsesr; print([getattr(sparsesr, name) is not None for name in sparsesr.__all__])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "False" not in done.stdout
