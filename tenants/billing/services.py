"""Taking samples: once per tenant, metric and day, after the day has ended; never changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from uuid import UUID

from django.utils import timezone

from tenants.billing.metrics import Meter, Metric, end_of, sample_id
from tenants.billing.querysets import existing_tenants, open_days, sampled
from tenants.isolation.scope import operator_scope, tenant_scope
from tenants.models import UsageSample

CATCH_UP = timedelta(days=62)
"""How far back missed days are sampled without being named: two months, so that an outage over a
month's end leaves no hole."""


class DayNotOver(ValueError):
    """A day is sampled after it has ended, in UTC."""


def sample_missed_days(*, meter: Meter, now: datetime | None = None) -> int:
    """Sample every closed day of the last two months that lacks something. Returns how many
    tenants' days were sampled; 0 when nothing was missing. Can run again at any time, and twice at
    once.
    """
    today = (now or timezone.now()).date()
    with operator_scope():
        missed = open_days(today - CATCH_UP, today - timedelta(days=1))
    return sum(sample_day(day=day, meter=meter, now=now) for day in missed)


def sample_day(*, day: date, meter: Meter, now: datetime | None = None) -> int:
    """Sample one closed day for every tenant that existed and lacks something of it.

    Raises DayNotOver for a day that has not ended. A tenant's samples are one transaction; what
    is there already stays as it is.
    """
    if end_of(day) > (now or timezone.now()):
        raise DayNotOver(f"{day} has not ended; a day is sampled afterwards.")
    with operator_scope():
        known: dict[UUID, set[str]] = defaultdict(set)
        for tenant_id, metric in sampled(day):
            known[tenant_id].add(metric)
        missing = [
            tenant.pk
            for tenant in existing_tenants(day)
            if len(known[tenant.pk]) < len(Metric.values)
        ]
        readings = meter(tenants=missing, moment=end_of(day)) if missing else {}
    for tenant_id in missing:
        record_sample(tenant_id=tenant_id, day=day, reading=readings[tenant_id])
    return len(missing)


def record_sample(*, tenant_id: UUID, day: date, reading: Mapping[str, int]) -> None:
    """Keep a tenant's reading of a closed day. The first one stands: the database's role may add
    samples and not change them, and of two that come at once one is dropped.
    """
    with tenant_scope(tenant_id):
        UsageSample.objects.bulk_create(
            [
                UsageSample(
                    id=sample_id(tenant_id, metric, day),
                    tenant_id=tenant_id,
                    day=day,
                    metric=metric,
                    value=value,
                )
                for metric, value in reading.items()
            ],
            ignore_conflicts=True,
        )
