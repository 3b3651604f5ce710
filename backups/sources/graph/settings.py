"""How to reach an organization through Graph, and how patient to be with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from backups.sources.addresses import require_root
from backups.sources.tokens import SignIn


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
        require_root(authority=self.authority, graph_url=self.graph_url)

    @property
    def sign_in(self) -> SignIn:
        return SignIn(
            self.authority,
            self.graph_url,
            self.directory,
            self.client_id,
            self.certificate_pem,
            self.private_key_pem,
            self.trust_pem,
        )


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a call is tried and how long a source waits in place, in seconds.

    A server that asks for more than ``longest_wait`` gives Throttled: whoever called can use the
    time better. ``sleep`` and ``now`` (seconds of a steady clock) are there for tests.
    """

    attempts: int = 5
    first_wait: float = 1.0
    longest_wait: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.monotonic
