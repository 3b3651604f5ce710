"""Where retention has something to look at, of all tenants."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Now

from backups.catalog.models import MailboxBackup
from backups.infrastructure.models import Proxy, Repository
from tenants.isolation.scope import OPERATOR, operator_scope

MOST = 200
FURTHEST = timedelta(days=2)


def is_due() -> Q:
    """Retention looks at a backup daily: what lies further ahead was written by a clock that has
    been put right since."""
    return Q(retention_due_at__lte=Now()) | Q(retention_due_at__gt=Now() + FURTHEST)


def due_shares() -> list[tuple[UUID, UUID, str]]:
    """Repository, tenant, and the queue of the repository's proxy, unless that is paused."""
    with operator_scope():
        due = MailboxBackup.objects.filter(is_due()).order_by()
        shares = list(due.values_list("allocation__repository_id", "tenant_id").distinct()[:MOST])
    repositories = Repository.objects.using(OPERATOR).select_related("proxy")
    found = repositories.exclude(proxy__state=Proxy.State.MAINTENANCE).in_bulk(
        {repository_id for repository_id, _ in shares}
    )
    return [
        (repository_id, tenant_id, found[repository_id].proxy.queue)
        for repository_id, tenant_id in shares
        if repository_id in found
    ]
