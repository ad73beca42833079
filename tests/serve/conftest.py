"""A server with a tiny model."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from sparsesr.modelfile.catalogue import install_model
from support.sites import Site, site_with
from support.tiny_models import tiny


@pytest.fixture(autouse=True, scope="package")
def home(tmp_path_factory) -> Generator[None, None, None]:
    """A folder of models with a tiny one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARSESR_HOME", str(tmp_path_factory.mktemp("home")))
        install_model(tiny(), "tiny")
        yield


@pytest.fixture(scope="module")
def site() -> Generator[Site, None, None]:
    with site_with() as running:
        yield running
