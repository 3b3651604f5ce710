"""Runs of collection: asking for one, claiming it, and how it ends.

Asking and claiming run as the operator's role, everything else as the tenant. Every write of a
worker names its attempt, so that one which lost its lease can change nothing.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import IntegrityError, connections, transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now
from django.utils import timezone

from backups.catalog.models import Pack
from backups.infrastructure.models import Allocation, Proxy, Repository
from backups.infrastructure.services import measure_allocation
from backups.retention.models import (
    OPEN,
    CollectionRun,
    CollectionState,
)
from backups.sessions.services import LeaseLost
from tenants.audit.services import record
from tenants.isolation.scope import OPERATOR, operator_scope, tenant_scope

LEASE_SECONDS = 300
TRIES = 10
"""A run that so many workers took up without a result is given up."""
EVERY = timedelta(hours=20)
AFTER_FAILURE = timedelta(hours=4)
LEEWAY = timedelta(minutes=5)

# The first that waits, or whose worker stopped reporting. A proxy in maintenance claims nothing.
# A time that lies too far ahead was written by a clock that has been put right since.
_READY = """
(w.state = 'queued' AND (w.not_before <= now() OR w.not_before > now() + interval '1 day')
OR w.state = 'running' AND (w.lease_until < now() OR w.lease_until > now() + interval '1 day'))
"""
_CLAIM = f"""
UPDATE backups_collectionrun c
SET failures = c.failures + (c.state = 'running')::int, state = 'running',
    attempt = c.attempt + 1, lease_owner = %(owner)s,
    lease_until = now() + make_interval(secs => %(lease)s),
    started_at = coalesce(c.started_at, now())
WHERE c.id = (
    SELECT w.id FROM backups_collectionrun w
    JOIN backups_repository r ON r.id = w.repository_id
    JOIN backups_proxy p ON p.id = r.proxy_id
    WHERE 'proxy_' || right(p.id::text, 12) = %(queue)s AND p.state <> 'maintenance' AND {_READY}
    ORDER BY w.created_at LIMIT 1 FOR UPDATE OF w SKIP LOCKED)
RETURNING c.id, c.tenant_id, c.repository_id, c.attempt
"""  # noqa: S608  (our own text)
_WAITING = f"""
SELECT DISTINCT 'proxy_' || right(p.id::text, 12) FROM backups_collectionrun w
JOIN backups_repository r ON r.id = w.repository_id JOIN backups_proxy p ON p.id = r.proxy_id
WHERE p.state <> 'maintenance' AND {_READY}
"""  # noqa: S608


class CollectionOpen(Exception):
    """One is open already."""


@dataclass(frozen=True, slots=True)
class Claim:
    id: int
    tenant_id: UUID
    repository_id: UUID
    attempt: int


def request(
    *, allocation: Allocation, may_take_most: bool = False, person_id: UUID | None = None
) -> CollectionRun:
    """Queue a collection of a tenant's share. Raises CollectionOpen.

    ``may_take_most``: it is not broken off because most of the packs would go.
    """
    run = CollectionRun(
        tenant_id=allocation.tenant_id,
        repository_id=allocation.repository_id,
        may_take_most=may_take_most,
        requested_by_id=person_id,
    )
    with operator_scope():
        try:
            with transaction.atomic(using=OPERATOR):
                run.save(using=OPERATOR, force_insert=True)
                _record_after_commit(allocation, "collection.requested", person_id)
        except IntegrityError as error:
            raise CollectionOpen(f"{allocation.name} is being collected already.") from error
    return run


def ask(*, allocation: Allocation, asked: str, person_id: UUID | None = None) -> bool:
    """Pause or stop the collection of a share, or let a paused one go on.

    A running one obeys at its next step. Where none is open, "pause" makes one that waits: until
    it goes on nothing is collected in this share. False when there is nothing to change.
    """
    with operator_scope(), transaction.atomic(using=OPERATOR):
        mine = CollectionRun.objects.of_share(allocation)
        if asked == "resume":
            changed = mine.filter(state=CollectionState.PAUSED).update(
                state=CollectionState.QUEUED, not_before=Now()
            )
            changed += mine.filter(state=CollectionState.RUNNING).exclude(asked="").update(asked="")
        elif asked == CollectionRun.Asked.PAUSE:
            changed = mine.filter(state=CollectionState.QUEUED).update(state=CollectionState.PAUSED)
            changed += mine.filter(state=CollectionState.RUNNING).update(asked=asked)
            changed = changed or _pause_ahead(allocation)
        else:
            waiting = mine.filter(state__in=[CollectionState.QUEUED, CollectionState.PAUSED])
            changed = waiting.update(state=CollectionState.STOPPED, ended_at=Now())
            changed += mine.filter(state=CollectionState.RUNNING).update(asked=asked)
        if changed:
            _record_after_commit(allocation, f"collection.{asked}", person_id)
    return bool(changed)


def _pause_ahead(allocation: Allocation) -> int:
    if CollectionRun.objects.of_share(allocation).open().exists():
        return 0
    run = CollectionRun(
        tenant_id=allocation.tenant_id,
        repository_id=allocation.repository_id,
        state=CollectionState.PAUSED,
    )
    run.save(using=OPERATOR, force_insert=True)
    return 1


def _record_after_commit(allocation: Allocation, action: str, person_id: UUID | None) -> None:
    """The operator's role cannot write events: the tenant's does, once it sees what was done."""
    if person_id is None:
        return

    def write() -> None:
        with tenant_scope(allocation.tenant_id):
            record(action=action, subject=allocation.name, person_id=person_id)

    transaction.on_commit(write, using=OPERATOR)


def start_due() -> int:
    """The tick: queue a run for each share that had none today. Returns how many.

    One that was broken off is tried again sooner. What lies in the future was written by a clock
    that has been put right since, and does not count.
    """
    with operator_scope():
        mine = CollectionRun.objects.filter(
            tenant=OuterRef("tenant"), repository=OuterRef("repository")
        ).order_by()
        recent = mine.filter(created_at__lte=Now() + LEEWAY).filter(
            Q(created_at__gt=Now() - EVERY) & ~Q(state=CollectionState.FAILED)
            | Q(created_at__gt=Now() - AFTER_FAILURE)
        )
        packs = Pack.objects.filter(tenant=OuterRef("tenant"), repository=OuterRef("repository"))
        resting = Repository.objects.using(OPERATOR).filter(proxy__state=Proxy.State.MAINTENANCE)
        shares = Allocation.objects.filter(
            Exists(packs), ~Exists(mine.filter(state__in=OPEN)), ~Exists(recent)
        )
        due = list(shares.exclude(repository__in=resting).order_by("pk"))
    started = 0
    for allocation in due:
        with suppress(CollectionOpen):
            request(allocation=allocation)
            started += 1
    return started


def queues_with_work() -> list[str]:
    with connections[OPERATOR].cursor() as cursor:
        cursor.execute(_WAITING)
        return [row[0] for row in cursor.fetchall()]


def claim(*, queue: str, owner: str) -> Claim | None:
    """Take the run of a queue that waits longest. Two workers never get the same."""
    values: dict[str, str | int] = {"queue": queue, "owner": owner[:100], "lease": LEASE_SECONDS}
    with transaction.atomic(using=OPERATOR), connections[OPERATOR].cursor() as cursor:
        cursor.execute(_CLAIM, values)
        row = cursor.fetchone()
    return Claim(*row) if row else None


def held(claimed: Claim) -> CollectionRun:
    """Inside the tenant's scope: the locked row, or LeaseLost."""
    rows = CollectionRun.objects.select_for_update(of=("self",), no_key=True)
    row = rows.filter(pk=claimed.id, attempt=claimed.attempt, state=CollectionState.RUNNING).first()
    if row is None:
        raise LeaseLost(f"collection {claimed.id}: attempt {claimed.attempt} no longer holds it")
    return row


def extend(row: CollectionRun) -> None:
    """Inside the scope of ``held``: say that the worker is alive, and keep what it noted."""
    row.lease_until = timezone.now() + timedelta(seconds=LEASE_SECONDS)
    row.save()


def put_back(
    claimed: Claim, state: CollectionState, *, seconds: float = 0, reason: str = ""
) -> None:
    """Another begins it anew, later; or nobody, when it is paused. Raises LeaseLost."""
    with tenant_scope(claimed.tenant_id):
        row = held(claimed)
        row.state, row.asked, row.reason = state, "", reason
        row.failures += bool(reason)
        row.not_before = timezone.now() + timedelta(seconds=seconds)
        row.lease_until, row.lease_owner = None, ""
        row.save()


def finish(
    claimed: Claim, state: CollectionState, reason: str = "", *, is_too_much: bool = False
) -> None:
    """End it, with an event. Raises LeaseLost."""
    with tenant_scope(claimed.tenant_id):
        row = held(claimed)
        row.state, row.reason, row.asked, row.is_too_much = state, reason, "", is_too_much
        row.lease_until, row.lease_owner, row.ended_at = None, "", timezone.now()
        row.save()
        allocations = Allocation.objects.filter(repository_id=claimed.repository_id)
        for allocation in allocations:
            measure_allocation(allocation_id=allocation.pk, repository_id=claimed.repository_id)
            if row.deleted or row.requested_by_id:
                record(
                    action="collection.ended",
                    subject=allocation.name,
                    result=str(state),
                    packs=row.deleted,
                    bytes=row.deleted_bytes,
                )
