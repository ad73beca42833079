"""``sparsesr serve``: starts, says where, and ends cleanly."""

from __future__ import annotations

import importlib.util
import signal
import socket

import httpx
import pytest

from sparsesr.cli.main import main
from support.running_server import running_server

TOKEN = "from the environment"  # noqa: S105


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_even_with_open_connections(number):
    with (
        running_server("--memory", "900MB", "-j", "1", SPARSESR_TOKEN=TOKEN) as server,
        socket.create_connection(("127.0.0.1", server.port)) as silent,
    ):
        silent.sendall(b"GET / HT")
        assert httpx.get(f"{server.address}/v1/models").status_code == 401
        headers = {"Authorization": f"Bearer {TOKEN}"}
        assert httpx.get(f"{server.address}/v1/models", headers=headers).status_code == 200
        session = httpx.post(f"{server.address}/v1/session", headers=headers)
        own = f"sparsesr-{server.port}"  # another server on a free port has another
        assert list(session.cookies) == [own]
        status, errors = server.stop(number)
    assert status == 0 and errors.endswith("stopped; nothing was kept\n") and "Traceback" not in errors


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--host", "0.0.0.0"], 2, "can be reached from other machines; set a --token, or pass --insecure"),  # noqa: S104
        (["--allow-host", "a.example"], 2, "a.example can be reached from other machines; set a --token"),
        (["--token", ""], 2, "--token: needs 8 characters or more"),
        (["--token", "short"], 2, "--token: needs 8 characters or more"),
        (["--port", "70000"], 2, "--port 70000 is not between"),
        (["--memory", "100MB"], 2, "too little for a server"),
        (["--max-upload", "much"], 2, "--max-upload 'much' is not an amount"),
        (["--queue", "0"], 2, "--queue 0 must be at least 1"),
        (["--host", "256.1.1.1", "--insecure"], 3, "cannot listen there"),
    ],
)
def test_wrong_options_are_named(capsys, arguments, status, words):
    assert main(["serve", *arguments]) == status
    errors = capsys.readouterr().err
    assert words in errors and errors.count("\n") == 1


def test_a_port_in_use_is_told(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 3
    assert f"127.0.0.1:{port}: cannot listen there" in capsys.readouterr().err


def test_without_its_packages_it_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["serve"]) == 1
    assert capsys.readouterr().err == 'error: serve: needs the extra [serve]: pip install "sparsesr[serve]"\n'
