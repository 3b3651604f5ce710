"""What tenants use, counted for their bills. tenants.billing keeps it and knows nothing of this."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q, Sum

from backups.catalog.models import MailboxBackup, Pack, RestorePoint
from backups.organizations.querysets import PROTECTION
from tenants.billing.metrics import Metric
from tenants.isolation.scope import OPERATOR


def measure(*, tenants: Collection[UUID], moment: datetime) -> Mapping[UUID, Mapping[str, int]]:
    """What each of the tenants used up to the moment, which is not part of it (a Meter).

    Two queries, as the operator, however many tenants.
    """
    mailboxes = _protected_mailboxes(tenants, moment)
    stored = _stored_bytes(tenants, moment)
    return {
        tenant: {
            Metric.PROTECTED_MAILBOXES: mailboxes.get(tenant, 0),
            Metric.STORED_BYTES: stored.get(tenant, 0),
        }
        for tenant in tenants
    }


def _protected_mailboxes(tenants: Collection[UUID], moment: datetime) -> dict[UUID, int]:
    """Mailboxes with a restore point younger than 31 days at the moment.

    A run that finds nothing new makes no restore point and confirms the last one: that counts
    from the confirmation. A mailbox in two repositories counts once.
    """
    since = moment - PROTECTION
    points = RestorePoint.objects.using(OPERATOR).filter(
        backup=OuterRef("pk"), taken_at__gt=since, taken_at__lt=moment
    )
    protected = MailboxBackup.objects.using(OPERATOR).filter(
        Exists(points) | Q(current_at__gt=since, current_at__lt=moment), tenant__in=tenants
    )
    return dict(
        protected.order_by().values_list("tenant").annotate(Count("mailbox", distinct=True))
    )


def _stored_bytes(tenants: Collection[UUID], moment: datetime) -> dict[UUID, int]:
    """The packs that were stored before the moment, in all allocations."""
    packs = Pack.objects.using(OPERATOR).filter(tenant__in=tenants, stored_at__lt=moment)
    summed = packs.order_by().values_list("tenant").annotate(Sum("size"))
    return {tenant: int(size) for tenant, size in summed}
