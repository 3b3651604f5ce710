"""Addresses of servers, and whom to trust behind them."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import TypeAlias
from urllib.parse import urlsplit

Resolve: TypeAlias = Callable[[str, int], Sequence[str]]
"""Host and port → the addresses to connect to, tried in this order."""


def addresses_of(host: str, port: int) -> list[str]:
    """All addresses of a host. Raises OSError when it has none."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


def require_root(**urls: str) -> None:
    """Raises ValueError for anything but an https address without a path."""
    for name, url in urls.items():
        parts = urlsplit(url)
        extra = parts.path.strip("/") or parts.query or parts.fragment or parts.username
        if parts.scheme != "https" or not parts.hostname or extra:
            raise ValueError(f"{name} must be an https address without a path")


def root_url(url: str) -> str:
    return url.rstrip("/")


def tls_context(trust_pem: str | None) -> ssl.SSLContext | bool:
    """What httpx verifies against: the given roots, or (True) the public ones."""
    return ssl.create_default_context(cadata=trust_pem) if trust_pem else True


def is_loopback(url: str) -> bool:
    """Whether the host is this machine, which no proxy of the environment can reach."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
