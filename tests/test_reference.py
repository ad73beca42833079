"""The reference page is current, and names what the package really has."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import sparsesr
from sparsesr import errors
from sparsesr.cli.verbs import VERBS
from sparsesr.jobs import batch, files, frames, pipe

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
HEADINGS = set(re.findall(r"^### `([^`]+)`", PAGE, re.MULTILINE))


def test_the_page_is_current():
    script = ROOT / "docs" / "generate" / "reference.py"
    done = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_every_public_name_of_the_package_is_there():
    names = {f"sparsesr.{name}" for name in sparsesr.__all__ if name != "__version__"}
    assert names and names <= HEADINGS


def test_every_error_and_every_job_is_there():
    for module in (errors, batch, files, frames, pipe):
        here = {
            f"{module.__name__}.{name}"
            for name, value in vars(module).items()
            if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
        }
        assert here and here <= HEADINGS


def test_every_command_is_there():
    commands = {
        f"sparsesr {' '.join(names)}"
        for verb in VERBS
        for names in ([(verb.name, inner.name) for inner in verb.commands] or [(verb.name,)])
    }
    assert {heading for heading in HEADINGS if heading.startswith("sparsesr ")} == commands


def test_public_methods_of_the_upscaler_are_there_with_their_parameters():
    part = PAGE.split("### `sparsesr.Upscaler`", 1)[1].split("\n### ", 1)[0]
    for name, method in inspect.getmembers(sparsesr.Upscaler, inspect.isfunction):
        if name == "__call__" or not name.startswith("_"):
            line = next(line for line in part.splitlines() if line.startswith(f"* `{name}("))
            assert all(
                re.search(rf"\b{key}\b", line)
                for key in inspect.signature(method).parameters
                if key != "self"
            )


def test_types_of_results_are_there():
    """Whatever an upscaled image leads to, attribute by attribute."""
    for name in (
        "UpscaleResult",
        "Stats",
        "LayerStats",
        "Plan",
        "Deviation",
        "TargetReport",
        "ModelFile",
        "Facts",
    ):
        assert any(heading.endswith(f".{name}") for heading in HEADINGS), name
