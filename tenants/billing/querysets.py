"""Reading usage, as the operator: samples of closed days, and what is open measured now."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from heapq import merge
from itertools import islice
from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Collate
from django.utils import timezone

from tenants.billing.metrics import CATALOGUE, Meter, Metric, end_of, sample_id
from tenants.isolation.scope import OPERATOR
from tenants.models import Tenant, UsageSample

Key = tuple[date, UUID, str]
METRICS = sorted(Metric.values)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a tenant used on a day, of one metric. Provisional until the day's sample is taken."""

    tenant: UUID
    day: date
    metric: str
    value: int
    sampled_at: datetime
    provisional: bool

    @property
    def id(self) -> UUID:
        return sample_id(self.tenant, self.metric, self.day)

    @property
    def unit(self) -> str:
        return CATALOGUE[self.metric].unit

    @property
    def key(self) -> Key:
        return self.day, self.tenant, self.metric


def existing_tenants(day: date, only: UUID | None = None) -> list[Tenant]:
    """Tenants that existed when the day ended, by id."""
    rows = Tenant.objects.using(OPERATOR).filter(created_at__lt=end_of(day)).order_by("id")
    if only is not None:
        rows = rows.filter(pk=only)
    return list(rows.only("id", "created_at"))


def sampled(day: date) -> list[tuple[UUID, str]]:
    """Which tenants' metrics have a sample of the day."""
    rows = UsageSample.objects.using(OPERATOR).filter(day=day)
    return list(rows.order_by().values_list("tenant_id", "metric"))


def open_days(first: date, last: date, only: UUID | None = None) -> list[date]:
    """Days from first to last of which some tenant lacks a sample, in order."""
    tenants = existing_tenants(last, only)
    samples = UsageSample.objects.using(OPERATOR).filter(day__range=(first, last))
    if only is not None:
        samples = samples.filter(tenant_id=only)
    taken = dict(samples.order_by().values_list("day").annotate(Count("pk")))
    born = sorted(tenant.created_at.astimezone(UTC).date() for tenant in tenants)
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return [
        day for day in days if taken.get(day, 0) < bisect.bisect_right(born, day) * len(METRICS)
    ]


def usage_of(
    first: date,
    last: date,
    *,
    meter: Meter,
    tenant_id: UUID | None = None,
    after: Key | None = None,
    most: int,
) -> list[Usage]:
    """At most ``most`` records behind ``after``, by day, tenant and metric. Inside a snapshot.

    The number of queries depends on how many open days the page touches, never on tenants.
    """
    samples = _samples(first, last, tenant_id, after)[:most]
    stored = [
        Usage(row.tenant_id, row.day, row.metric, row.value, row.sampled_at, provisional=False)
        for row in samples
    ]
    # A full page of samples ends before whatever is open behind it.
    horizon = stored[-1].day if len(stored) == most else last
    live = _measured(first, min(last, horizon), meter, tenant_id, after, most)
    return list(islice(merge(stored, live, key=lambda usage: usage.key), most))


def _samples(
    first: date, last: date, tenant_id: UUID | None, after: Key | None
) -> QuerySet[UsageSample]:
    # In the order of code points, as Python sorts what is measured now.
    rows = UsageSample.objects.using(OPERATOR).annotate(by_name=Collate("metric", "C"))
    rows = rows.filter(day__range=(first, last)).order_by("day", "tenant_id", "by_name")
    if tenant_id is not None:
        rows = rows.filter(tenant_id=tenant_id)
    if after is not None:
        day, tenant, metric = after
        rows = rows.filter(
            Q(day__gt=day)
            | Q(day=day, tenant_id__gt=tenant)
            | Q(day=day, tenant_id=tenant, by_name__gt=metric)
        )
    return rows


def _measured(
    first: date,
    last: date,
    meter: Meter,
    tenant_id: UUID | None,
    after: Key | None,
    most: int,
) -> Iterator[Usage]:
    """What has no sample yet, in order; days are measured only as far as they are read."""
    now = timezone.now()
    last = min(last, now.date())
    begin = max(first, after[0]) if after else first
    if begin > last:
        return
    for day in open_days(begin, last, tenant_id):
        known = set(sampled(day))
        wanted = [
            (day, tenant.pk, metric)
            for tenant in existing_tenants(day, tenant_id)
            for metric in METRICS
            if (tenant.pk, metric) not in known
        ]
        wanted = [key for key in wanted if after is None or key > after][:most]
        moment = min(now, end_of(day))
        readings = meter(tenants={key[1] for key in wanted}, moment=moment) if wanted else {}
        for _, tenant, metric in wanted:
            yield Usage(tenant, day, metric, readings[tenant][metric], moment, provisional=True)
