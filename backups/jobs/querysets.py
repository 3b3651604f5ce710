from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import (
    Count,
    DateTimeField,
    DurationField,
    ExpressionWrapper,
    F,
    IntegerField,
    OuterRef,
    Q,
    Subquery,
    Value,
)
from django.db.models.functions import Coalesce

from tenants.isolation.tables import TenantQuerySet

if TYPE_CHECKING:
    from backups.jobs.models import Job

MINUTE = timedelta(minutes=1)
A_DAYS_SCHEDULE = timedelta(days=3)
"""Further ahead is no next run of a daily job, nor of an interval beside its own length."""


class JobQuerySet(TenantQuerySet["Job"]):
    def due(self, now: datetime) -> JobQuerySet:
        """Enabled jobs whose time has come, the longest waiting first.

        Also those put off further than their schedule does, by a clock that was ahead.
        """
        interval = Coalesce(F("interval_minutes"), 0) * Value(MINUTE, output_field=DurationField())
        furthest = ExpressionWrapper(
            Value(now + A_DAYS_SCHEDULE) + interval, output_field=DateTimeField()
        )
        put_off = Q(next_run_at__gt=now + A_DAYS_SCHEDULE) & Q(next_run_at__gt=furthest)
        come = Q(next_run_at__lte=now) | put_off
        return self.filter(come, enabled=True).order_by("next_run_at")

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

    def with_protection(self, since: datetime) -> JobQuerySet:
        """Adds ``mailboxes`` that the job covers, and ``protected`` of them since then."""
        from backups.catalog.models import RestorePoint
        from backups.jobs.models import Coverage

        covered = Coverage.objects.filter(job=OuterRef("pk")).order_by().values("job")
        points = (
            RestorePoint.objects.filter(
                taken_at__gte=since,
                backup__allocation=OuterRef("allocation"),
                backup__mailbox__coverage__job=OuterRef("pk"),
            )
            .order_by()
            .values("backup__allocation")
        )
        none = Value(0, output_field=IntegerField())
        return self.annotate(
            mailboxes=Coalesce(Subquery(covered.annotate(n=Count("pk")).values("n")), none),
            protected=Coalesce(
                Subquery(points.annotate(n=Count("backup__mailbox", distinct=True)).values("n")),
                none,
            ),
        )
