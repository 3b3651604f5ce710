"""Where a destruction has something left to do, of all tenants."""

from __future__ import annotations

from uuid import UUID

from django.db.models.functions import Now

from backups.destruction.models import DestructionPlace
from backups.infrastructure.models import Proxy
from tenants.isolation.scope import operator_scope

MOST = 200


def due_places() -> list[tuple[UUID, UUID, str]]:
    """Place, tenant, and the queue of the repository's proxy, unless that is paused."""
    with operator_scope():
        due = DestructionPlace.objects.filter(next_try_at__lte=Now())
        due = due.exclude(repository__proxy__state=Proxy.State.MAINTENANCE)
        places = list(due.select_related("repository__proxy").order_by("next_try_at")[:MOST])
    return [(place.pk, place.tenant_id, place.repository.proxy.queue) for place in places]
