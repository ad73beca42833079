"""Fixtures for all tests: the shared data folder, which may be absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Data outside the repository; tests that need it are skipped if it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("SPARSESR_SHARED", default))
    if not folder.is_dir():
        pytest.skip("no shared data (set SPARSESR_SHARED)")
    return folder


def _subfolder(shared_dir: Path, name: str) -> Path:
    folder = shared_dir / "data" / name
    if not folder.is_dir():
        pytest.skip(f"the shared data has no {name}")
    return folder


@pytest.fixture(scope="session")
def benchmarks_dir(shared_dir: Path) -> Path:
    """Set5, Set14, B100, Urban100."""
    return _subfolder(shared_dir, "benchmarks")


@pytest.fixture(scope="session")
def odd_inputs_dir(shared_dir: Path) -> Path:
    """Files for robustness tests."""
    return _subfolder(shared_dir, "odd_inputs")


@pytest.fixture
def work_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder; the folder of models holds one named tiny."""
    from sparsesr.modelfile.catalogue import install_model
    from support.tiny_models import tiny

    monkeypatch.setenv("SPARSESR_HOME", str(tmp_path / "home"))
    install_model(tiny(), "tiny")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"
