"""Memory of a server, a process of its own: within its limit, and the same after many requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

import httpx
import pytest

from support.running_server import RunningServer, running_server
from support.sites import encoded

LIMIT_MB = 600


@contextmanager
def watched(server: RunningServer) -> Generator[list[int], None, None]:
    """Samples of the server's memory while the block runs."""
    samples, end = [server.resident_bytes()], threading.Event()

    def watch() -> None:
        while not end.wait(0.01):
            samples.append(server.resident_bytes())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield samples
    finally:
        end.set()
        thread.join()


@pytest.mark.slow
def test_large_jobs_and_previews_stay_within_the_limit():
    """Jobs with views, and meanwhile other uploads and previews."""
    options = ("--memory", f"{LIMIT_MB}MB", "--max-upload", "16MB", "-j", "1")
    data = encoded(1200, 1600, "JPEG")
    with running_server(*options) as server, httpx.Client(base_url=server.address, timeout=300) as client:
        with watched(server) as samples:
            jobs = [
                client.post("/v1/jobs?model=tiny&format=jpg", content=data).json()["id"] for _ in range(3)
            ]
            image = client.get(f"/v1/jobs/{jobs[0]}").json()["image"]
            part = {"left": 0, "top": 0, "right": 800, "bottom": 600, "model": "tiny"}
            while any(
                client.get(f"/v1/jobs/{each}").json()["state"] in ("waiting", "running") for each in jobs
            ):
                assert client.get(f"/v1/images/{image}/preview", params=part).status_code == 200
                time.sleep(0.05)
        states = [client.get(f"/v1/jobs/{each}").json()["state"] for each in jobs]
        assert states == ["done"] * 3
    assert 100e6 < max(samples) < LIMIT_MB * 1e6


def test_requests_leave_no_memory_behind():
    with running_server("--memory", "700MB", "-j", "1") as server:
        data, used = encoded(60, 80), []
        with httpx.Client(base_url=server.address, timeout=60) as client:
            for _ in range(3):
                for number in range(60):
                    answer = client.post(f"/v1/upscale?model=tiny&effort={number / 60}", content=data)
                    assert answer.status_code == 200
                    assert client.post("/v1/upscale", content=b"no image").status_code == 422
                used.append(server.resident_bytes())
    assert used[2] - used[1] < 4e6
