"""Servers in the process of the tests, with a tiny model."""

from __future__ import annotations

import asyncio
import io
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import httpx
import numpy as np
import uvicorn
from PIL import Image

from sparsesr.limits import MEBIBYTE, ServeLimits
from sparsesr.serve.app import make_app
from sparsesr.serve.connection import connection_class
from sparsesr.serve.service import Service
from sparsesr.serve.settings import Settings
from support.tiny_models import photo

MEMORY = 700 * MEBIBYTE
LIMITS = replace(
    ServeLimits(), max_body_bytes=2 * MEBIBYTE, max_pixels=1_000_000, max_result_pixels=4_000_000
)


@dataclass
class Site:
    """A server on loopback and a client for it."""

    client: httpx.Client
    service: Service
    port: int

    def post(self, path: str, content: bytes = b"", **options) -> httpx.Response:
        return self.client.post(path, content=content, **options)

    def is_empty(self, seconds: float = 5) -> bool:
        """Whether nothing is kept any more, at the latest after this time."""
        return eventually(lambda: self.service.store.used_bytes == 0, seconds)


def eventually(condition: Callable[[], bool], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def encoded(
    height: int = 24, width: int = 32, format: str = "PNG", channels: int = 3, seed: int = 0
) -> bytes:
    data = io.BytesIO()
    Image.fromarray(photo(height, width, channels=channels, seed=seed)).save(data, format)
    return data.getvalue()


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


@contextmanager
def site_with(limits: ServeLimits = LIMITS, memory: int = MEMORY, **settings) -> Generator[Site, None, None]:
    """A real server on a free port of loopback, in a thread."""
    service = Service(memory, 1, limits)
    config = uvicorn.Config(
        make_app(service, Settings(limits=limits, **settings)),
        port=0,
        http=connection_class(limits),
        ws="none",
        log_config=None,
        log_level="critical",
        h11_max_incomplete_event_size=limits.max_header_bytes,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    try:
        assert eventually(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield Site(client, service, port)
    finally:
        server.should_exit = True
        thread.join(30)
        service.close()
