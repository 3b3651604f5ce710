from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from django.db.models import (
    BooleanField,
    Case,
    Count,
    Exists,
    ExpressionWrapper,
    IntegerField,
    Model,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce

from tenants.isolation.scope import OPERATOR
from tenants.models import Tenant

if TYPE_CHECKING:
    from backups.infrastructure.models import Proxy

M = TypeVar("M", bound=Model)

SILENCE = timedelta(seconds=90)
"""A proxy that has not been heard for this long is offline."""
LATE = timedelta(minutes=10)
"""A job that nobody has started for this long after its time is overdue."""
_SEVERITY = {
    "failed": 5,
    "disconnected": 5,
    "not_configured": 5,
    "warning": 4,
    "success": 3,
    "running": 2,
    "queued": 2,
}


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


def tenants_at_a_glance(now: datetime) -> QuerySet[Tenant]:
    """Inside the operator's scope: every tenant with what its operator looks at first.

    Adds ``organizations``, ``protected`` (mailboxes), ``stored`` (bytes), ``result`` (the worst
    last result of its enabled jobs, None without any) and ``overdue`` (a job was not started).
    """
    from backups.infrastructure.models import Allocation
    from backups.jobs.models import Job
    from backups.organizations.models import Mailbox, Organization
    from backups.organizations.querysets import PROTECTION

    mine = Q(tenant=OuterRef("pk"))
    jobs = Job.objects.filter(mine, enabled=True).order_by()
    severity = Case(
        *(When(state=state, then=Value(rank)) for state, rank in _SEVERITY.items()),
        default=Value(1),
    )
    mailboxes = Mailbox.objects.present().with_protection(now - PROTECTION)
    stored = Allocation.objects.filter(mine).order_by().values("tenant")
    return Tenant.objects.using(OPERATOR).annotate(
        organizations=_number(Organization.objects.filter(mine)),
        protected=_number(mailboxes.filter(mine, Q(is_protected=True))),
        stored=Coalesce(Subquery(stored.annotate(n=Sum("used_bytes")).values("n")), Value(0)),
        result=Subquery(jobs.annotate(rank=severity).order_by("-rank").values("state")[:1]),
        overdue=ExpressionWrapper(
            Q(state=Tenant.State.ACTIVE) & Q(Exists(jobs.filter(next_run_at__lt=now - LATE))),
            output_field=BooleanField(),
        ),
    )


def _number(rows: QuerySet[M]) -> Coalesce:
    counted = rows.order_by().values("tenant").annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted), Value(0), output_field=IntegerField())
