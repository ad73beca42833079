"""``Streamed``: an answer that is read while it is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send


class Streamed(StreamingResponse):
    """Calls a function at its end, however that comes: a client may leave before the first block is read."""

    def __init__(
        self, blocks: Iterator[bytes], media_type: str, headers: Mapping[str, str], ended: Callable[[], None]
    ) -> None:
        super().__init__(blocks, media_type=media_type, headers=headers)
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._ended()
