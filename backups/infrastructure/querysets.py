from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from tenants.isolation.scope import OPERATOR

if TYPE_CHECKING:
    from backups.infrastructure.models import Proxy

SILENCE = timedelta(seconds=90)
"""A proxy that has not been heard for this long is offline."""


def proxies_of(repositories: Collection[UUID]) -> dict[UUID, Proxy]:
    """The proxy behind each repository, with the columns that a tenant may see.

    Tenants have no right on the table: this one query is made as the operator, and it reads the
    names of proxies behind the caller's own allocations only.
    """
    from backups.infrastructure.models import Repository

    rows = (
        Repository.objects.using(OPERATOR)
        .filter(pk__in=repositories)
        .select_related("proxy")
        .only("proxy__name", "proxy__state", "proxy__heartbeat_at")
    )
    return {row.pk: row.proxy for row in rows}


def condition(proxy: Proxy, now: datetime) -> str:
    """What to show of a proxy: "maintenance", "online" or "offline"."""
    if proxy.state == proxy.State.MAINTENANCE:
        return "maintenance"
    heard = proxy.heartbeat_at is not None and now - proxy.heartbeat_at < SILENCE
    return "online" if heard else "offline"
