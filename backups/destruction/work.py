"""The repositories' part of a destruction: keys first, then ciphertext, then the certificate.

Each step is noted when it is done, and each can be done again: whoever is killed between two of
them is followed by the next tick.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from backups.destruction import ciphertext
from backups.destruction.certificate import issue
from backups.destruction.models import Destruction, DestructionPlace
from backups.infrastructure.models import Allocation
from backups.infrastructure.services import measure_allocation, open_stored
from backups.repository import RepositoryError, destroy_mailbox_key, destroy_tenant_keys
from backups.repository.backend import Backend
from backups.repository.destruction import Destruction as Destroyed
from tenants.audit.services import record
from tenants.isolation.scope import tenant_scope

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=15)
SLICE_SECONDS = 300.0
AFTER_FAILURE = timedelta(minutes=5)
LONGEST_PAUSE = timedelta(hours=6)
WHILE_LOCKED = timedelta(days=1)
SWEPT = "destruction.swept"


def work_on(place_id: UUID, tenant_id: UUID) -> None:
    """Do what is due at a place; a failure is noted and tried again later, ever more rarely."""
    with tenant_scope(tenant_id):
        due = DestructionPlace.objects.filter(pk=place_id, next_try_at__lte=Now())
        if not due.update(next_try_at=Now() + LEASE):
            return
        place = DestructionPlace.objects.select_related("destruction").get(pk=place_id)
    try:
        backend = open_stored(place.repository_id).backend
        if place.keys_gone_at is None:
            _destroy_keys(place, backend)
        _sweep(place, backend)
    except RepositoryError as error:
        log.warning("destruction %s: %s", place.destruction_id, error)
        pause = min(AFTER_FAILURE * 2 ** min(place.failures, 10), LONGEST_PAUSE)
        with tenant_scope(tenant_id):
            DestructionPlace.objects.filter(pk=place_id).update(
                failures=F("failures") + 1, problem=str(error), next_try_at=Now() + pause
            )


def _destroy_keys(place: DestructionPlace, backend: Backend) -> None:
    """The note in the repository says what went, so asked again it gives the same answer."""
    destruction = place.destruction
    found = ciphertext.measured(backend, place.tenant_id, destruction.mailbox_id)
    done = _destroyed(destruction, backend, timezone.now())
    with tenant_scope(place.tenant_id):
        DestructionPlace.objects.filter(pk=place.pk).update(
            keys_gone_at=done.finished_at,
            keys=[
                {"name": thing.name, "sha256": thing.sha256, "wrapped_by": thing.wrapped_by}
                for thing in done.objects
            ],
            found=found,
            failures=0,
            problem="",
        )


def _destroyed(destruction: Destruction, backend: Backend, now: datetime) -> Destroyed:
    tenant_id, request = destruction.tenant_id, str(destruction.pk)
    if destruction.mailbox_id is None:
        return destroy_tenant_keys(backend, tenant_id, request=request, now=now)
    return destroy_mailbox_key(backend, tenant_id, destruction.mailbox_id, request=request, now=now)


def _sweep(place: DestructionPlace, backend: Backend) -> None:
    deadline = time.monotonic() + SLICE_SECONDS
    left = ciphertext.sweep(
        backend,
        place.tenant_id,
        place.destruction.mailbox_id,
        lambda: time.monotonic() < deadline,
    )
    with tenant_scope(place.tenant_id):
        # The last two places agree on which of them is the last.
        destruction = Destruction.objects.select_for_update(of=("self",)).get(
            pk=place.destruction_id
        )
        row = DestructionPlace.objects.filter(pk=place.pk)
        if left is None:
            row.update(next_try_at=Now())
            return
        row.update(
            left=left.amount,
            left_reason=left.reason,
            swept_at=place.swept_at or Now(),
            next_try_at=Now() + WHILE_LOCKED if left.amount else None,
            failures=0,
            problem="",
        )
        for allocation in Allocation.objects.filter(repository_id=place.repository_id):
            measure_allocation(allocation_id=allocation.pk, repository_id=place.repository_id)
        if destruction.finished_at is None:
            if not destruction.places.filter(swept_at=None).exists():
                issue(destruction)
        elif place.left and not left.amount:
            record(action=SWEPT, subject=destruction.subject, certificate=str(destruction.pk))
