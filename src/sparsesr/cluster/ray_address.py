"""Addresses of Ray clusters, checked before anything is sent there.

Whoever reaches a cluster without token authentication can run programs on it (CVE-2023-48022), so such a cluster is
accepted on the loopback interface only.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket

from sparsesr.errors import BackendError, Parameter, UsageError
from sparsesr.extras import require_extra

AUTO = "auto"
_WHERE = Parameter("address")
_ANSWER_S = 5.0


def check_address(address: str) -> None:
    """Check ``auto`` or ``HOST:PORT``.

    Raises:
        UsageError: it is neither, or on another machine without token authentication.
        BackendError: Ray is not installed, or nothing answers there.
    """
    require_extra("ray", _WHERE, "ray")
    if address == AUTO:
        return
    host, port = _parts(address)
    require_token(host)
    try:
        socket.create_connection((host, port), _ANSWER_S).close()
    except OSError as error:
        reason = error.strerror or str(error)
        remedy = "start one there with `ray start`, or leave the option out to use this machine alone"
        raise BackendError(
            f"no Ray cluster answers at {address} ({reason})", where=_WHERE, remedy=remedy
        ) from None


def require_token(host: str) -> None:
    """Raise UsageError for a host that others can reach, unless token authentication is on."""
    if not _is_loopback(host) and os.environ.get("RAY_AUTH_MODE", "").lower() != "token":
        raise UsageError(
            f"others may reach the Ray cluster at {host}, and whoever does can run programs on it",
            where=_WHERE,
            remedy="set RAY_AUTH_MODE=token here and where `ray start` runs",
        )


def _parts(address: str) -> tuple[str, int]:
    match = re.fullmatch(r"\[?([^\[\]/\s]+)\]?:(\d{1,5})", address)
    if match is None or not 0 < int(match.group(2)) < 2**16:
        raise UsageError(
            f"{address!r} is not the address of a Ray cluster", where=_WHERE, remedy="use auto or HOST:PORT"
        )
    return match.group(1), int(match.group(2))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
