from __future__ import annotations

from typing import TYPE_CHECKING

from tenants.isolation.tables import TenantQuerySet

if TYPE_CHECKING:
    from backups.sessions.models import Session


class SessionQuerySet(TenantQuerySet["Session"]):
    def open(self) -> SessionQuerySet:
        return self.filter(ended_at=None)

    def newest_first(self) -> SessionQuerySet:
        return self.select_related("job", "organization").order_by("-created_at")
