"""Addresses of clusters: what is refused before anything is sent there."""

from __future__ import annotations

import importlib.util
import socket

import pytest

from sparsesr.cluster.ray_address import check_address, require_token
from sparsesr.errors import BackendError, UsageError


@pytest.fixture
def ray_is_installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)


@pytest.mark.parametrize(
    "address", ["", "here", "host:", "host:0", "host:70000", "ray://host:1", "a b:1", "h:1/x"]
)
def test_other_things_are_no_addresses(ray_is_installed, address):
    with pytest.raises(UsageError, match="use auto or HOST:PORT"):
        check_address(address)


def test_a_cluster_that_others_can_use_is_refused_without_a_token(ray_is_installed, monkeypatch):
    with pytest.raises(UsageError, match="RAY_AUTH_MODE=token"):
        check_address("192.0.2.1:6379")
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    require_token("192.0.2.1")
    monkeypatch.delenv("RAY_AUTH_MODE")
    for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost"):
        require_token(host)


def test_where_nothing_answers_there_is_no_cluster(ray_is_installed):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(BackendError, match=r"no Ray cluster answers at 127\.0\.0\.1"):
            check_address(f"127.0.0.1:{port}")
        unused.listen()
        check_address(f"127.0.0.1:{port}")
    check_address("auto")


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BackendError, match=r"needs the extra \[ray\]: pip install"):
        check_address("auto")
