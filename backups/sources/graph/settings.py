"""How to reach an organization through Graph, and how patient to be with it."""

from __future__ import annotations

import ipaddress
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

PUBLIC_AUTHORITIES = frozenset(
    {
        "login.microsoftonline.com",
        "login.microsoftonline.us",
        "login.partner.microsoftonline.cn",
    }
)
"""Hosts that msal knows; another host is one of a test or of a private cloud."""


@dataclass(frozen=True, slots=True)
class GraphSettings:
    """``authority`` and ``graph_url`` are https roots without a path, such as
    ``https://login.microsoftonline.com`` and ``https://graph.microsoft.com``; ``directory`` is the
    tenant's id. ``trust_pem`` replaces the public roots where a host has a certificate of its own.

    Raises ValueError for anything but an https root.
    """

    authority: str
    graph_url: str
    directory: str
    client_id: str
    certificate_pem: str
    private_key_pem: str = field(repr=False)
    trust_pem: str | None = None

    def __post_init__(self) -> None:
        for name in ("authority", "graph_url"):
            parts = urlsplit(getattr(self, name))
            extra = parts.path.strip("/") or parts.query or parts.fragment or parts.username
            if parts.scheme != "https" or not parts.hostname or extra:
                raise ValueError(f"{name} must be an https address without a path")


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a call is tried and how long a source waits in place, in seconds.

    A server that asks for more than ``longest_wait`` gives Throttled: whoever called can use the
    time better. ``sleep`` is there for tests.
    """

    attempts: int = 5
    first_wait: float = 1.0
    longest_wait: float = 60.0
    sleep: Callable[[float], None] = time.sleep


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
