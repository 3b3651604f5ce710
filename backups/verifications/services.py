"""Verifications: asking for one, claiming it, and how it ends.

Asking and claiming run as the operator's role, everything else as the tenant. Every write of a
worker names its attempt, so that one which lost its lease can change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connections, transaction
from django.db.models import Exists, OuterRef, Subquery
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from backups.catalog.models import MailboxBackup
from backups.infrastructure.models import Allocation
from backups.sessions.services import LeaseLost
from backups.verifications.models import (
    OPEN,
    DamagedObject,
    Level,
    State,
    Verification,
)
from backups.verifications.notices import verification_ended
from portal.ids import uuid7
from tenants.audit.services import record
from tenants.isolation.scope import OPERATOR, operator_scope, tenant_scope
from tenants.models import Tenant

LEASE_SECONDS = 300
TRIES = 10
"""A verification that ended badly so often without getting on is given up."""
LOOK_AT_DAMAGE = timedelta(days=1)
"""What is known to be damaged is looked at this often, until it is healed."""

# The first that waits, or whose worker stopped reporting. A proxy in maintenance claims nothing.
# A time that lies too far ahead was written by a clock that has been put right since.
_READY = """
(w.state = 'queued' AND (w.not_before <= now() OR w.not_before > now() + interval '1 day')
OR w.state = 'running' AND (w.lease_until < now() OR w.lease_until > now() + interval '1 day'))
"""
_CLAIM = f"""
UPDATE backups_verification v
SET failures = v.failures + (v.state = 'running')::int, state = 'running',
    attempt = v.attempt + 1, lease_owner = %(owner)s,
    lease_until = now() + make_interval(secs => %(lease)s),
    started_at = coalesce(v.started_at, now())
WHERE v.id = (
    SELECT w.id FROM backups_verification w
    JOIN backups_allocation a ON a.id = w.allocation_id
    JOIN backups_repository r ON r.id = a.repository_id
    JOIN backups_proxy p ON p.id = r.proxy_id
    WHERE 'proxy_' || right(p.id::text, 12) = %(queue)s AND p.state <> 'maintenance' AND {_READY}
    ORDER BY w.created_at LIMIT 1 FOR UPDATE OF w SKIP LOCKED)
RETURNING v.id, v.tenant_id, v.attempt
"""  # noqa: S608  (our own text)
_WAITING = f"""
SELECT DISTINCT 'proxy_' || right(r.proxy_id::text, 12) FROM backups_verification w
JOIN backups_allocation a ON a.id = w.allocation_id
JOIN backups_repository r ON r.id = a.repository_id
WHERE {_READY}
"""  # noqa: S608


class VerificationOpen(Exception):
    """One is open already."""


@dataclass(frozen=True, slots=True)
class Claim:
    id: UUID
    tenant_id: UUID
    attempt: int


def request(*, allocation: Allocation, level: str, person_id: UUID | None = None) -> Verification:
    """Queue a verification. Raises VerificationOpen.

    A sample begins where the last one ended, so what was not read for longest comes first.
    """
    with operator_scope(), transaction.atomic(using=OPERATOR):
        percent = {
            Level.STRUCTURE: 0.0,
            Level.REPAIR: 0.0,
            Level.SAMPLE: float(allocation.verify_percent),
        }.get(Level(level), 100.0)
        verification = Verification(
            id=uuid7(),
            tenant_id=allocation.tenant_id,
            allocation=allocation,
            level=level,
            percent=percent,
            start=_next_start(allocation) if level == Level.SAMPLE else 0.0,
            requested_by_id=person_id,
        )
        # Two ask at once: one of them finds it open.
        made = Verification.objects.bulk_create([verification], ignore_conflicts=True)
        if not Verification.objects.filter(pk=made[0].pk).exists():
            raise VerificationOpen(f"{allocation.name} is being verified already.")
        if person_id is not None:
            _record_after_commit(allocation, "verification.requested", person_id, level)
    return verification


def _next_start(allocation: Allocation) -> float:
    ended = Verification.objects.filter(
        allocation=allocation, level=Level.SAMPLE, state__in=[State.SUCCESS, State.WARNING]
    ).first()
    return (ended.start + ended.percent) % 100 if ended is not None else 0.0


def _record_after_commit(
    allocation: Allocation, action: str, person_id: UUID | None, level: str
) -> None:
    """The operator's role cannot write events: the tenant's does, once it sees what was done."""

    def write() -> None:
        with tenant_scope(allocation.tenant_id):
            record(action=action, subject=allocation.name, person_id=person_id, level=level)

    transaction.on_commit(write, using=OPERATOR)


def ask(*, allocation: Allocation, asked: str, person_id: UUID | None = None) -> bool:
    """Pause or stop the open verification of an allocation, or let a paused one go on.

    A running one obeys at its next step. False when there is nothing to change.
    """
    with operator_scope(), transaction.atomic(using=OPERATOR):
        mine = Verification.objects.filter(allocation=allocation)
        if asked == "resume":
            changed = mine.filter(state=State.PAUSED).update(state=State.QUEUED, not_before=Now())
            changed += mine.filter(state=State.RUNNING).exclude(asked="").update(asked="")
        elif asked == Verification.Asked.PAUSE:
            changed = mine.filter(state=State.QUEUED).update(state=State.PAUSED)
            changed += mine.filter(state=State.RUNNING).update(asked=asked)
        else:
            waiting = mine.filter(state__in=[State.QUEUED, State.PAUSED])
            changed = waiting.update(state=State.STOPPED, ended_at=Now())
            changed += mine.filter(state=State.RUNNING).update(asked=asked)
        if changed and person_id is not None:
            _record_after_commit(allocation, f"verification.{asked}", person_id, "")
    return bool(changed)


def start_due(now: datetime) -> int:
    """The tick: queue what is due. Returns how many."""
    due: list[tuple[Allocation, Level]] = []
    with operator_scope():
        mine = Verification.objects.filter(allocation=OuterRef("pk")).order_by()
        allocations = Allocation.objects.filter(
            Exists(MailboxBackup.objects.filter(allocation=OuterRef("pk"), head__gt=0)),
            ~Exists(mine.filter(state__in=OPEN)),
            tenant__state=Tenant.State.ACTIVE,
        )
        damaged = DamagedObject.objects.filter(
            tenant=OuterRef("tenant"), repository=OuterRef("repository"), healed_at=None
        )
        rows = allocations.annotate(
            sampled=_last(mine, Level.SAMPLE, Level.FULL),
            surveyed=_last(mine, Level.STRUCTURE, Level.FULL),
            looked=_last(mine, *Level),
            is_damaged=Exists(damaged),
        )
        for row in rows.order_by("pk"):
            if _is_due(row.verify_structure_days, row.surveyed, now):
                due.append((row, Level.STRUCTURE))
            elif _is_due(row.verify_sample_days, row.sampled, now):
                due.append((row, Level.SAMPLE))
            elif row.is_damaged and row.looked + LOOK_AT_DAMAGE <= now:
                due.append((row, Level.REPAIR))
    started = 0
    for allocation, level in due:
        try:
            request(allocation=allocation, level=level)
            started += 1
        except VerificationOpen:
            continue
    return started


def _last(mine: object, *levels: str) -> Coalesce:
    rows = mine.filter(level__in=levels).order_by("-created_at")  # type: ignore[attr-defined]
    return Coalesce(Subquery(rows.values("created_at")[:1]), "created_at")


def _is_due(days: int | None, last: datetime, now: datetime) -> bool:
    return days is not None and last + timedelta(days=days) <= now


def queues_with_work() -> list[str]:
    with connections[OPERATOR].cursor() as cursor:
        cursor.execute(_WAITING)
        return [row[0] for row in cursor.fetchall()]


def claim(*, queue: str, owner: str) -> Claim | None:
    """Take the verification of a queue that waits longest. Two workers never get the same."""
    values: dict[str, str | int] = {"queue": queue, "owner": owner[:100], "lease": LEASE_SECONDS}
    with transaction.atomic(using=OPERATOR), connections[OPERATOR].cursor() as cursor:
        cursor.execute(_CLAIM, values)
        row = cursor.fetchone()
    return Claim(*row) if row else None


def held(claimed: Claim) -> Verification:
    """Inside the tenant's scope: the locked row, or LeaseLost."""
    rows = Verification.objects.select_for_update(of=("self",)).select_related("allocation")
    row = rows.filter(pk=claimed.id, attempt=claimed.attempt, state=State.RUNNING).first()
    if row is None:
        raise LeaseLost(f"verification {claimed.id}: attempt {claimed.attempt} no longer holds it")
    return row


def extend(row: Verification) -> None:
    """Inside the scope of ``held``: say that the worker is alive, and keep what it noted."""
    row.lease_until = timezone.now() + timedelta(seconds=LEASE_SECONDS)
    row.save()


def put_back(
    claimed: Claim, state: State, *, seconds: float = 0, reason: str = "", failed: bool = False
) -> None:
    """The slice is over: another goes on, at once or later; or nobody, when it is paused."""
    with tenant_scope(claimed.tenant_id):
        row = held(claimed)
        row.state, row.asked, row.reason = state, "", reason
        row.failures = row.failures + 1 if failed else 0
        row.not_before = timezone.now() + timedelta(seconds=seconds)
        row.lease_until, row.lease_owner = None, ""
        row.save()


def finish(claimed: Claim, state: State, reason: str = "") -> None:
    """End it, with an event and the e-mail about what it found. Raises LeaseLost."""
    with tenant_scope(claimed.tenant_id):
        row = held(claimed)
        row.state, row.reason, row.asked = state, reason, ""
        row.lease_until, row.lease_owner, row.ended_at = None, "", timezone.now()
        row.save()
        record(
            action="verification.ended",
            subject=row.allocation.name,
            level=row.level,
            result=str(state),
            found=row.found,
            healed=row.healed,
        )
        verification_ended(row)
