"""``Settings``: where a server listens, and who may talk to it."""

from __future__ import annotations

import ipaddress
import re
import secrets
from dataclasses import dataclass, field

from sparsesr.errors import Parameter, UsageError, Wording
from sparsesr.limits import ServeLimits

LOCAL_NAMES = ("localhost",)
_LEAST_TOKEN_LENGTH = 8
_TOKEN = re.compile(r"[!-~]([ -~]*[!-~])?")
"""Headers carry other characters in different encodings, and no spaces at the ends."""


@dataclass(frozen=True)
class Settings:
    """Raises UsageError for a server that strangers could reach without a token."""

    host: str = "127.0.0.1"
    port: int = 8765
    token: str | None = None
    """Without it, every program on this machine may use the server."""
    names: tuple[str, ...] = ()
    """Further names of this machine that browsers may use, on the network or through a proxy."""
    is_open: bool = False
    """Serve other machines without a token."""
    limits: ServeLimits = field(default_factory=ServeLimits)
    cookie: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    """What the page gets for the token."""

    def __post_init__(self) -> None:
        if self.token is not None and len(self.token) < _LEAST_TOKEN_LENGTH:
            raise UsageError(f"needs {_LEAST_TOKEN_LENGTH} characters or more", where=Parameter("token"))
        if self.token is not None and not _TOKEN.fullmatch(self.token):
            raise UsageError("must be ASCII, without spaces at its ends", where=Parameter("token"))
        reachable = [name for name in (self.host, *self.names) if not is_loopback(name)]
        if reachable and self.token is None and not self.is_open:
            raise UsageError(
                f"{reachable[0]} can be reached from other machines",
                remedy=Wording("set a {}, or pass {}", "token", "insecure"),
            )

    @property
    def cookie_name(self) -> str:
        """Cookies of one host are shared by all its ports."""
        return f"sparsesr-{self.port}"

    def is_own_name(self, host: str) -> bool:
        """True if a Host header (without port) names this server.

        Any address will do: a browser that was led here by a foreign name sends that name.
        """
        if host.lower() in (*LOCAL_NAMES, self.host.lower(), *(name.lower() for name in self.names)):
            return True
        return _address(host) is not None


def is_loopback(host: str) -> bool:
    """True if only this machine can reach the address."""
    address = _address(host)
    return host in LOCAL_NAMES if address is None else address.is_loopback


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
