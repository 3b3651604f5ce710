"""When collection runs, and what is noted of it."""

from __future__ import annotations

import logging
from dataclasses import asdict
from datetime import timedelta
from uuid import UUID

from django.db.models.functions import Now

from backups.infrastructure.models import Allocation
from backups.infrastructure.services import measure_allocation
from backups.repository import RepositoryError
from backups.retention.collection import Collected, CollectionAborted, collect
from backups.retention.models import CollectionRun
from tenants.isolation.scope import tenant_scope

log = logging.getLogger(__name__)

EVERY = timedelta(hours=20)


def collect_daily(repository_id: UUID, tenant_id: UUID) -> Collected | None:
    """Collect unless it was done today; None then, and when it had to be broken off."""
    with tenant_scope(tenant_id):
        runs = CollectionRun.objects.filter(repository_id=repository_id)
        if runs.filter(started_at__gt=Now() - EVERY).exists():
            return None
        run = CollectionRun.objects.create(repository_id=repository_id)
    done, reason = None, ""
    try:
        done = collect(repository_id, tenant_id)
    except (CollectionAborted, RepositoryError) as error:
        reason = str(error)
        log.warning("collection in repository %s: %s", repository_id, reason)
    with tenant_scope(tenant_id):
        state = CollectionRun.State.ABORTED if reason else CollectionRun.State.DONE
        CollectionRun.objects.filter(pk=run.pk).update(
            state=state, reason=reason, ended_at=Now(), **(asdict(done) if done else {})
        )
        for allocation in Allocation.objects.filter(repository_id=repository_id):
            measure_allocation(allocation_id=allocation.pk, repository_id=repository_id)
    return done
