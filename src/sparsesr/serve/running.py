"""``run_server``: uvicorn until a signal ends it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from types import FrameType

import uvicorn

from sparsesr.errors import InputError, Wording
from sparsesr.serve.app import make_app
from sparsesr.serve.connection import connection_class
from sparsesr.serve.service import Service
from sparsesr.serve.settings import Settings

_KEEP_ALIVE_S = 5
_BACKLOG = 256


class _Server(uvicorn.Server):
    """Streams end and work is cancelled as soon as a signal arrives; a second Ctrl-C does not wait at all."""

    def __init__(self, config: uvicorn.Config, service: Service, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._service, self._ready = service, ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        if self.started:
            self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end. The signal is not raised again afterwards: this is how a server ends."""
        self._service.is_closing = True
        self.force_exit = self.should_exit
        self.should_exit = True


def run_server(service: Service, settings: Settings, ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; ``ready`` is called with the address of the page.

    Raises:
        InputError: the address cannot be used.
    """
    listener = _listen(settings)
    settings, limits = replace(settings, port=listener.getsockname()[1]), settings.limits
    config = uvicorn.Config(
        make_app(service, settings),
        http=connection_class(limits),
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=limits.max_header_bytes,
        limit_concurrency=limits.max_connections,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=round(limits.stop_timeout_s),
    )
    address = _address(settings)
    try:
        _Server(config, service, lambda: ready(address)).run([listener])
    finally:
        listener.close()
        service.close()


def _listen(settings: Settings) -> socket.socket:
    """A socket of the address; port 0 takes a free one."""
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, place = found[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(place)
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        what = f"cannot listen there ({error.strerror})"
        raise InputError(
            what, where=where, remedy=Wording("choose another {} or {}", "port", "host")
        ) from None
    return listener


def _address(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}/"
