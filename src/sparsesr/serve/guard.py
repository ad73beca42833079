"""``Guard``: who may make a request: the Host header, the page that asks, the token.

A page of another site can make a browser send requests here, with the user's cookies (CSRF), or after its own name has
been pointed at this machine (DNS rebinding). The first carries a foreign ``Origin`` or ``Sec-Fetch-Site``, the second a
foreign ``Host``. Programs that are no browsers send neither, and need the token only.
"""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Receive, Scope, Send

from sparsesr.serve.answers import error_answer
from sparsesr.serve.errors import RefusedError
from sparsesr.serve.settings import Settings

_DATA = ("/v1/", "/metrics")
_WITHOUT_TOKEN = ("/v1/session",)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_OWN_SITES = (None, "same-origin", "none")


class Guard:
    """Answers forbidden requests, and passes on all others."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] == "http":
            refusal = self._refusal(scope)
            if refusal is not None:
                await error_answer(refusal)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> RefusedError | None:
        headers, path = Headers(scope=scope), str(scope["path"])
        if _head_bytes(scope) > self._settings.limits.max_header_bytes:
            return RefusedError("the head of the request is too large", status=431)
        host = headers.get("host", "")
        if not self._settings.is_own_name(_without_port(host)):
            return RefusedError(
                "the Host header does not name this server",
                remedy="whoever starts it can allow this name",
                status=421,
            )
        origin = headers.get("origin")
        if origin is not None and not _is_site(host, origin):
            return RefusedError("requests from pages of other sites are refused", status=403)
        if not path.startswith(_DATA):
            return None
        if headers.get("sec-fetch-site") not in _OWN_SITES:
            return RefusedError("requests from pages of other sites are refused", status=403)
        if path not in _WITHOUT_TOKEN and not self._has_token(headers):
            return RefusedError(
                "this server needs its token", remedy="send Authorization: Bearer TOKEN", status=401
            )
        return None

    def _has_token(self, headers: Headers) -> bool:
        token = self._settings.token
        if token is None:
            return True
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and same_secret(given.strip(), token):
            return True
        return same_secret(_cookie(headers, self._settings.cookie_name), self._settings.cookie)


def same_secret(given: str, secret: str) -> bool:
    """Compare in a time that does not depend on the content."""
    return hmac.compare_digest(given.encode(), secret.encode())


def _cookie(headers: Headers, name: str) -> str:
    """A cookie, whatever is beside it: browsers also send those of other programs on this machine."""
    return cookie_parser(headers.get("cookie", "")).get(name, "")


def _is_site(host: str, origin: str) -> bool:
    """True if an Origin header names the host and port of a Host header, where proxies may add the default port."""
    try:
        site = urlsplit(origin)
    except ValueError:
        return False
    default = _DEFAULT_PORTS.get(site.scheme, "")
    return site.netloc != "" and site.netloc.removesuffix(default) == host.removesuffix(default)


def _head_bytes(scope: Scope) -> int:
    """A whole head that arrives at once passes the protocol's own limit."""
    lines = (len(name) + len(value) for name, value in scope["headers"])
    return len(scope.get("raw_path", b"")) + len(scope["query_string"]) + sum(lines)


def _without_port(host: str) -> str:
    """The name of a Host header: ``[::1]:80`` -> ``[::1]``."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
