"""Limits: sizes, pixels, time, queue, space; whatever is refused leaves nothing behind."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from sparsesr.errors import UsageError
from sparsesr.limits import MEBIBYTE, ServeLimits
from sparsesr.serve.app import make_app
from sparsesr.serve.settings import Settings
from sparsesr.serve.upscalers import Upscalers
from support.sites import LIMITS, Site, encoded, eventually, site_with

HOST = "127.0.0.1"


def raw(site: Site, data: bytes, *, is_cut: bool = False, timeout_s: float = 10) -> bytes:
    """Send bytes as they are; return what comes back until the server closes."""
    with socket.create_connection((HOST, site.port), timeout=timeout_s) as connection:
        connection.sendall(data)
        if is_cut:
            return b""
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
        return b"".join(parts)


def png_bomb(width: int, height: int) -> bytes:
    """A header that promises more pixels than there is data for."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(2 * MEBIBYTE))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("path", ["/v1/upscale", "/v1/jobs", "/v1/images"])
@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"", 422, "has no body"),
        (b"hello, this is no image at all", 422, "not"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 422, "SVG"),
        (b"%PDF-1.7\n" + bytes(100), 422, "PDF"),
        (b"PK\x03\x04" + bytes(100), 422, "ZIP"),
        (encoded()[:-20], 422, "image"),
        (encoded()[:40], 422, "image"),
        (png_bomb(65_000, 65_000), 413, "megapixels"),
        (png_bomb(70_000, 1), 413, "px a side"),
        (b"GIF89a\xff\xff\xff\xff" + bytes(20), 413, "px"),
        (bytes(2 * MEBIBYTE + 1), 413, "over the limit of 2 MiB"),
    ],
    ids=["empty", "text", "svg", "pdf", "zip", "cut", "cut early", "bomb", "wide", "gif bomb", "large"],
)
def test_bad_bodies_are_refused_in_one_line(site, path, data, status, words):
    started = time.monotonic()
    answer = site.post(path, data)
    assert (answer.status_code, set(answer.json())) == (status, {"error"})
    message = answer.json()["error"]["message"]
    assert words.lower() in message.lower() and "\n" not in message and "Error" not in message
    assert time.monotonic() - started < 5
    assert site.is_empty()


def test_a_body_without_a_length_is_counted_while_it_arrives(site):
    sent = []

    def endless() -> Iterator[bytes]:
        while len(sent) < 100:
            sent.append(1)
            yield bytes(MEBIBYTE)

    answer = site.client.post("/v1/upscale", content=endless())
    assert answer.status_code == 413
    assert len(sent) < 100 or site.service.store.used_bytes == 0
    assert site.is_empty()


def test_a_result_that_would_be_too_large_is_refused_before_the_work(site):
    answer = site.post("/v1/upscale?model=tiny&scale=8", encoded(600, 600))
    assert (
        answer.status_code == 413
        and "23 megapixels, over the limit of 4" in answer.json()["error"]["message"]
    )


def test_forms_are_refused_with_advice(site):
    answer = site.client.post("/v1/upscale", files={"file": encoded()})
    assert answer.status_code == 422 and "the image alone" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("effort=2", "effort: 2 is not between 0 and 1"),
        ("effort=nan", "effort"),
        ("effort=0.5&target_ms=10", "target_ms"),
        ("scale=0.5", "scale"),
        ("scale=inf", "scale"),
        ("scale=many", "scale: "),
        ("scale=2&width=9", "given twice"),
        ("scale=2&effort=1&scale=3", "scale: is given twice; leave all but one out"),
        ("strip=true&strip=true", "strip: is given twice"),
        ("fit=9", "fit: '9' is not a size"),
        ("format=exe", "cannot write the format"),
        ("format=jpg&lossless=true", "JPEG"),
        ("quality=0", "quality"),
        ("depth=12", "depth"),
        ("precision=fp8", "fp8"),
        ("inference=half", "inference"),
        ("model=nobody", "model: is unknown; use one of"),
        ("model=../../etc/passwd", "model: is unknown"),
        ("model=%2Fetc%2Fpasswd", "model: is unknown"),
        ("target-ms=5", "no parameter 'target-ms'; did you mean target_ms?"),
        ("efort=0.1", "did you mean effort?"),
        ("scale=2&Scale=4", "no parameter 'Scale'; did you mean scale?"),
        ("%0A%FF=1", "; use name, model, scale, "),
    ],
)
def test_wrong_options_are_named(site, query, words):
    answer = site.post(f"/v1/upscale?{query}", encoded())
    assert answer.status_code == 400, answer.text
    assert words in answer.json()["error"]["message"]
    assert site.is_empty()


@pytest.mark.parametrize(
    ("route", "words"),
    [
        ("/v1/jobs?imgae=1", "did you mean image?"),
        ("/v1/images?scale=2", "no parameter 'scale'; use name"),
    ],
)
def test_unknown_parameters_are_refused_by_every_route(site, route, words):
    answer = site.post(route, encoded())
    assert answer.status_code == 400 and words in answer.json()["error"]["message"]
    assert site.is_empty()
    asked = site.client.get("/v1/jobs/x?y=1")
    assert asked.status_code == 400 and "leave it out" in asked.json()["error"]["message"]


def test_a_model_is_never_a_path(site, tmp_path):
    from sparsesr.modelfile.catalogue import resolve

    answer = site.client.post("/v1/upscale", content=encoded(), params={"model": str(resolve("tiny").path)})
    assert answer.status_code == 400 and "is unknown" in answer.json()["error"]["message"]


def test_an_upload_that_is_cut_leaves_nothing(site):
    head = b"POST /v1/upscale HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n"
    for _ in range(5):
        raw(site, head + bytes(50_000), is_cut=True)
    assert site.is_empty()
    assert site.client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: " + b"a" * 40_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X-Many: 1\r\n" * 4_000, 431),
        (b"GET /" + b"a" * 40_000, 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 not HTTP at all\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    ],
    ids=["header", "headers", "path", "tls", "no host", "two hosts", "negative", "two lengths"],
)
def test_bad_heads_are_refused_and_closed(site, data, status):
    answer = raw(site, data)
    assert answer.startswith(b"HTTP/1.1 %d " % status) and b'{"error"' in answer
    assert b"connection: close" in answer.lower()


@pytest.fixture(scope="module")
def impatient() -> Iterator[Site]:
    limits = replace(LIMITS, header_timeout_s=0.5, body_pause_s=0.4, body_timeout_s=1.0)
    with site_with(limits) as running:
        yield running


@pytest.mark.parametrize("head", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A"])
def test_slow_heads_are_not_waited_for(impatient, head):
    started = time.monotonic()
    answer = raw(impatient, head)
    assert time.monotonic() - started < 4
    assert answer.startswith(b"HTTP/1.1 408") or (answer, head) == (b"", b"")


def test_a_head_that_trickles_is_not_waited_for(impatient):
    """Every byte in time, but never all of them (slow loris)."""
    with socket.create_connection((HOST, impatient.port), timeout=5) as connection:
        started = time.monotonic()
        with pytest.raises(OSError):
            for byte in b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: " + b"a" * 200:
                connection.sendall(bytes([byte]))
                time.sleep(0.05)
        assert time.monotonic() - started < 5


@pytest.mark.parametrize("pause_s", [0.1, 5], ids=["trickle", "silence"])
def test_slow_bodies_are_not_waited_for(impatient, pause_s):
    head = b"POST /v1/upscale HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n"
    with socket.create_connection((HOST, impatient.port), timeout=5) as connection:
        connection.sendall(head)

        def trickle() -> None:
            try:
                for _ in range(40):
                    connection.sendall(b"a")
                    time.sleep(pause_s)
            except OSError:
                pass

        threading.Thread(target=trickle, daemon=True).start()
        assert b"408" in connection.recv(100)
    assert impatient.is_empty()


def test_a_client_that_takes_nothing_of_its_result_is_not_waited_for():
    with site_with(replace(LIMITS, send_pause_s=0.5)) as site:
        job = site.post("/v1/jobs?model=tiny&format=tif&depth=16", encoded(500, 800)).json()
        assert eventually(lambda: site.client.get(f"/v1/jobs/{job['id']}").json()["state"] == "done", 60)
        with socket.create_connection((HOST, site.port)) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            request = f"GET /v1/jobs/{job['id']}/result HTTP/1.1\r\nHost: localhost\r\n\r\n"
            connection.sendall(request.encode())
            connection.recv(1)
            site.client.delete(f"/v1/jobs/{job['id']}")
            assert site.service.store.used_bytes > 0
            assert site.is_empty()


def test_a_connection_lives_for_the_next_request(impatient):
    for _ in range(3):
        assert impatient.client.get("/healthz").status_code == 200
    time.sleep(0.3)
    assert impatient.client.get("/healthz").status_code == 200


def test_too_many_jobs_are_told_to_come_again():
    with site_with(replace(LIMITS, max_queued=1)) as site:
        large = encoded(700, 1000)
        first = site.post("/v1/jobs?model=tiny", large)
        assert first.status_code == 202
        assert eventually(lambda: site.service.job_lane.is_busy)
        assert site.post("/v1/jobs?model=tiny", large).status_code == 202
        for path in ("/v1/jobs?model=tiny", "/v1/upscale?model=tiny"):
            refused = site.post(path, large)
            assert (refused.status_code, refused.json()["error"]["code"]) == (429, "busy")
            assert int(refused.headers["Retry-After"]) >= 1


def test_too_many_images_are_told_to_come_again():
    with site_with(replace(LIMITS, max_images=2)) as site:
        answers = [site.post("/v1/images", encoded()).status_code for _ in range(3)]
        assert answers == [201, 201, 429]


def test_a_client_that_leaves_ends_the_work(site):
    large = encoded(700, 1000)
    head = b"POST /v1/upscale?model=tiny HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n"
    with socket.create_connection((HOST, site.port)) as connection:
        connection.sendall(head % len(large) + large)
        assert eventually(lambda: site.service.job_lane.is_busy)
    assert eventually(lambda: not site.service.job_lane.is_busy, 5)
    assert site.is_empty()
    assert 'sparsesr_jobs_total{ending="cancelled",kind="upscale"} ' in site.client.get("/metrics").text


def test_a_client_that_leaves_before_the_first_byte_of_its_result_leaves_nothing(site):
    messages = [{"type": "http.request", "body": encoded()}]

    async def receive() -> dict:
        if messages:
            return messages.pop()
        if site.service.job_lane.is_busy or site.service.job_lane.waiting:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: dict) -> None:
        assert message["type"] != "http.response.start" or message["status"] == 200

    scope = {"type": "http", "method": "POST", "path": "/v1/upscale", "query_string": b"model=tiny"}
    scope |= {"headers": [(b"host", b"localhost")], "asgi": {"version": "3.0", "spec_version": "2.3"}}
    asyncio.run(make_app(site.service, Settings())(scope, receive, send))
    assert site.is_empty()


def test_work_that_takes_too_long_ends():
    with site_with(replace(LIMITS, job_timeout_s=0.05)) as site:
        answer = site.post("/v1/upscale?model=tiny", encoded(700, 1000))
        assert answer.status_code == 408 and "longer than the limit" in answer.json()["error"]["message"]
        assert site.is_empty()


def test_a_job_that_nobody_watches_is_cancelled():
    with site_with(replace(LIMITS, abandoned_after_s=0.0)) as site:
        job = site.post("/v1/jobs?model=tiny", encoded(700, 1000)).json()
        time.sleep(0.05)
        site.service.sweep()
        assert eventually(lambda: site.client.get(f"/v1/jobs/{job['id']}").json()["state"] == "cancelled")


def test_space_for_images_is_limited():
    with site_with(replace(LIMITS, max_stored_bytes=300_000)) as site:
        assert site.post("/v1/images", encoded(200, 200)).status_code == 201
        refused = site.post("/v1/images", encoded(200, 400))
        assert refused.status_code == 413 and "space" in refused.json()["error"]["message"]
        assert site.service.store.used_bytes < 300_000


def test_a_system_without_more_files_is_told_in_one_line(site, monkeypatch):
    def refuse(**_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files", "/somewhere/secret")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    refused = site.post("/v1/upscale?model=tiny", encoded())
    assert refused.status_code == 413 and "Too many open files" in refused.json()["error"]["message"]
    assert "secret" not in refused.text


def test_sweeping_goes_on_beside_clients_that_delete(site, monkeypatch):
    """What they have just deleted is no error; one would end all sweeping."""
    expires = LIMITS.expires_after_s
    for shelf in (site.service.jobs, site.service.images):
        monkeypatch.setattr(shelf, "unused_for", lambda s: [("deleted", None)] if s == expires else [])
    site.service.sweep()


def test_nothing_has_a_name_on_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with site_with() as site:
        job = site.post("/v1/jobs?model=tiny", encoded(300, 300)).json()
        assert eventually(lambda: site.client.get(f"/v1/jobs/{job['id']}").json()["state"] == "done")
        assert site.service.store.used_bytes > 0
        assert list(tmp_path.iterdir()) == []


def test_too_little_memory_for_a_server_is_told_at_once():
    with pytest.raises(UsageError, match="too little for a server"):
        Upscalers(200 * MEBIBYTE, 1, ServeLimits())
