"""``Connection``: HTTP/1.1 with limits on the time that a client takes for the head of a request and for an answer."""

from __future__ import annotations

import asyncio
import http
import sys
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from sparsesr.limits import ServeLimits


class Connection(H11Protocol):
    """Closes connections that neither send a whole head nor finish a refused body, or that take nothing of an answer.

    Readers time other bodies.
    """

    limits = ServeLimits()
    _deadline: asyncio.TimerHandle | None = None
    _send_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Wait for the first request."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Go on with the head or the body."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching."""
        self._stop_watching()
        self._stop_watching_sending()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait for a client that takes nothing; meanwhile its answer holds files, and it counts as a connection."""
        super().pause_writing()
        if self._send_deadline is None:
            self._send_deadline = self.loop.call_later(self.limits.send_pause_s, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on sending."""
        self._stop_watching_sending()
        super().resume_writing()

    def _watch(self) -> None:
        """Time the client unless the application has a request to answer."""
        cycle: Any = self.cycle
        if cycle is not None and not cycle.response_complete:
            self._stop_watching()
        elif self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(self.limits.header_timeout_s, self._lose_patience)

    def _stop_watching(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _stop_watching_sending(self) -> None:
        if self._send_deadline is not None:
            self._send_deadline.cancel()
            self._send_deadline = None

    def _lose_patience(self) -> None:
        self._deadline = None
        if self.transport.is_closing():
            return
        if self.conn.our_state is h11.IDLE and self.conn.trailing_data[0]:
            self._refuse(http.HTTPStatus.REQUEST_TIMEOUT, "the head of the request arrives too slowly")
        self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, or has a head over the limit."""
        error = sys.exc_info()[1]
        hint = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        status = http.HTTPStatus(hint)
        self._refuse(status, "the head of the request is too large" if hint == 431 else "not a valid request")
        self.transport.close()

    def _refuse(self, status: http.HTTPStatus, message: str) -> None:
        body = f'{{"error": {{"code": "refused", "message": "{message}"}}}}'.encode()
        headers = [
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            ("connection", "close"),
        ]
        response = h11.Response(status_code=status.value, headers=headers, reason=status.phrase)
        for event in (response, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")


def connection_class(limits: ServeLimits) -> type[Connection]:
    """The protocol for uvicorn with these limits."""
    return type("TimedConnection", (Connection,), {"limits": limits})
