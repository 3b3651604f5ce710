from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db.models import F, OuterRef, Subquery

from tenants.isolation.tables import TenantQuerySet

if TYPE_CHECKING:
    from backups.jobs.models import Job


class JobQuerySet(TenantQuerySet["Job"]):
    def due(self, now: datetime) -> JobQuerySet:
        """Enabled jobs whose time has come, the longest waiting first."""
        return self.filter(enabled=True, next_run_at__lte=now).order_by("next_run_at")

    def with_last_session(self) -> JobQuerySet:
        """Adds ``last_session_id``, ``last_state``, ``last_started_at``, ``last_ended_at``."""
        from backups.sessions.models import Session

        newest = Session.objects.filter(job=OuterRef("pk")).order_by("-created_at").values("pk")[:1]
        return self.annotate(last_session_id=Subquery(newest)).annotate(
            **{
                f"last_{field}": Subquery(
                    Session.objects.filter(pk=OuterRef("last_session_id")).values(field)[:1]
                )
                for field in ("state", "started_at", "ended_at", "items_failed", "items_new")
            },
            organization_name=F("organization__name"),
        )
