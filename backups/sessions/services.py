"""The queue of record (docs/architecture.md, "Queue"): who works on what, and how it ended.

A claim is one statement as the operator's role. Everything after it runs as the tenant, and
every write names the attempt, so that a worker which lost its lease can change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import connections, transaction
from django.db.models import Count, F, Q
from django.db.models.functions import Now

from backups.sessions.models import FINAL, Session, SessionLog, State, Task
from backups.sessions.notices import session_ended
from tenants.isolation.scope import APP, OPERATOR, operator_scope, tenant_scope

MAILBOXES_PER_SLICE = 4

# The first part picks and locks the best task, the second adds others of its session. A task
# that a worker died of is claimed alone: it must not take its neighbours along. Rows that another
# claim holds are passed over before the limits count, so that no claim comes back empty-handed
# while there is work. A proxy in maintenance claims nothing.
_CLAIM = """
WITH busy AS (
    SELECT tenant_id, count(*) AS tasks FROM backups_task
    WHERE queue = %(queue)s AND state = 'running' GROUP BY tenant_id
), best AS (
    SELECT t.id, t.session_id, t.deaths FROM backups_task t LEFT JOIN busy b USING (tenant_id)
    WHERE t.queue = %(queue)s AND t.state = 'queued' AND t.not_before <= now()
      AND NOT EXISTS (SELECT FROM backups_proxy p
        WHERE 'proxy_' || right(p.id::text, 12) = %(queue)s AND p.state = 'maintenance')
      AND NOT (t.kind = 'backup' AND EXISTS (
        SELECT FROM backups_task r
        WHERE r.backup_id = t.backup_id AND r.state = 'running' AND r.kind = 'backup'))
    ORDER BY coalesce(b.tasks, 0), t.created_at, t.deaths, t.id LIMIT 1
    FOR UPDATE OF t SKIP LOCKED
), chosen AS (
    SELECT t.id FROM backups_task t JOIN best ON t.session_id = best.session_id
    WHERE t.queue = %(queue)s AND t.state = 'queued' AND t.not_before <= now()
      AND NOT (t.kind = 'backup' AND EXISTS (
        SELECT FROM backups_task r
        WHERE r.backup_id = t.backup_id AND r.state = 'running' AND r.kind = 'backup'))
      AND (t.id = best.id OR (t.deaths = 0 AND best.deaths = 0))
    ORDER BY t.id <> best.id, t.created_at, t.id LIMIT %(limit)s
    FOR UPDATE OF t SKIP LOCKED
)
UPDATE backups_task t
SET state = 'running', attempt = t.attempt + 1, fence = nextval('backups_fence'),
    lease_owner = %(owner)s,
    lease_until = now() + make_interval(secs => %(lease)s),
    started_at = coalesce(t.started_at, now())
FROM chosen WHERE t.id = chosen.id
RETURNING t.id, t.tenant_id, t.session_id, t.kind, t.attempt
"""


class LeaseLost(Exception):
    """Somebody else works on this task now, or it was ended: stop at once, write nothing."""


class StopRequested(Exception):
    """Somebody pressed stop: put away what is done, then end the task."""


@dataclass(frozen=True, slots=True)
class Claim:
    task_id: UUID
    tenant_id: UUID
    session_id: UUID
    kind: str
    attempt: int


def claim(*, queue: str, owner: str, limit: int = MAILBOXES_PER_SLICE) -> list[Claim]:
    """Take the best next tasks of a queue: all of one session, the least busy tenant first.

    Returns an empty list when nothing waits. Two workers never get the same task.
    """
    values: dict[str, str | int] = {
        "queue": queue,
        "owner": owner[:100],
        "limit": limit,
        "lease": lease_seconds(),
    }
    with transaction.atomic(using=OPERATOR), connections[OPERATOR].cursor() as cursor:
        cursor.execute(_CLAIM, values)
        claims = [Claim(*row) for row in cursor.fetchall()]
        if claims:
            Session.objects.using(OPERATOR).filter(
                pk=claims[0].session_id, state=State.QUEUED
            ).update(state=State.RUNNING, started_at=Now())
    return claims


def waiting(queue: str) -> bool:
    """Whether a task of the queue waits whose time has come."""
    tasks = Task.objects.using(OPERATOR).filter(queue=queue, state=State.QUEUED)
    return tasks.filter(not_before__lte=Now()).exists()


def lease_seconds() -> int:
    return int(settings.LEASE_SECONDS)


def extend_lease(claimed: Claim) -> bool:
    """Say that the worker is alive. False when the task is no longer this worker's."""
    with tenant_scope(claimed.tenant_id), connections[APP].cursor() as cursor:
        cursor.execute(
            "UPDATE backups_task SET lease_until = now() + make_interval(secs => %s)"
            " WHERE id = %s AND attempt = %s AND state = 'running'",
            [lease_seconds(), claimed.task_id, claimed.attempt],
        )
        return bool(cursor.rowcount == 1)


def fence(claimed: Claim) -> None:
    """Inside a transaction: hold the task's row, or raise LeaseLost.

    Whatever the transaction writes after this is written by the rightful worker.
    """
    held = Task.objects.select_for_update().filter(
        pk=claimed.task_id, attempt=claimed.attempt, state=State.RUNNING
    )
    if not held.exists():
        raise LeaseLost(f"task {claimed.task_id}: attempt {claimed.attempt} no longer holds it")


def stop_requested(claimed: Claim) -> bool:
    with tenant_scope(claimed.tenant_id):
        return Session.objects.filter(
            pk=claimed.session_id, cancel_requested_at__isnull=False
        ).exists()


def count(claimed: Claim, counters: Mapping[str, float]) -> None:
    """Add to the task's and the session's counters, inside the tenant's scope."""
    if counters:
        added = {name: F(name) + value for name, value in counters.items()}
        Task.objects.filter(pk=claimed.task_id).update(**added)
        Session.objects.filter(pk=claimed.session_id).update(**added)


def show_progress(claimed: Claim, *, expected: int, handled: int) -> None:
    """Note how far the task is, for whoever watches. Never decides anything."""
    with tenant_scope(claimed.tenant_id):
        Task.objects.filter(pk=claimed.task_id, attempt=claimed.attempt).update(
            items_expected=expected, items_handled=handled
        )


def finish(claimed: Claim, state: State, reason: str = "", *, job_state: str | None = None) -> None:
    """End a task, and its session when it was the last. Raises LeaseLost.

    ``job_state`` is what the job is called when all of the session failed like this.
    """
    with tenant_scope(claimed.tenant_id):
        fence(claimed)
        Task.objects.filter(pk=claimed.task_id).update(
            state=state,
            reason=reason,
            ended_at=Now(),
            lease_until=None,
            lease_owner="",
            fence=None,
        )
        close_when_done(claimed.session_id, job_state=job_state)


def postpone(claimed: Claim, *, seconds: float, reason: str, failures: int) -> None:
    """Put a task back: it waits ``seconds``, with so many failed tries. Raises LeaseLost."""
    with tenant_scope(claimed.tenant_id), connections[APP].cursor() as cursor:
        fence(claimed)
        cursor.execute(
            "UPDATE backups_task SET state = 'queued', reason = %s, lease_until = NULL,"
            " lease_owner = '', fence = NULL, failures = %s, deaths = 0,"
            " not_before = now() + make_interval(secs => %s) WHERE id = %s",
            [reason, failures, seconds, claimed.task_id],
        )


def log(
    session_id: UUID,
    level: SessionLog.Level,
    message: str,
    *,
    mailbox: str = "",
    item_id: str = "",
) -> None:
    """Write a line of the session's log, inside the tenant's scope."""
    SessionLog.objects.create(
        session_id=session_id,
        level=level,
        message=message,
        mailbox=mailbox[:320],
        item_id=item_id[:600],
    )


def close_when_done(session_id: UUID, *, job_state: str | None = None) -> None:
    """Inside the tenant's scope: give the session its result once no task is open.

    The session's row is locked first, so the two workers that end the last two tasks agree.
    """
    session = Session.objects.select_for_update(of=("self",)).get(pk=session_id)
    if not session.is_open:
        return
    ended = Count("id", filter=Q(state__in=FINAL))
    tasks = Task.objects.filter(session=session).aggregate(
        total=Count("id"),
        done=ended,
        **{state: Count("id", filter=Q(state=state)) for state in FINAL},
    )
    Session.objects.filter(pk=session_id).update(mailboxes_done=tasks["done"])
    if tasks["total"] == tasks["done"]:
        session.state = _result(session, tasks)
        session.reason = _reason(session)
        _end(session, job_state=job_state if session.state == State.FAILED else None)


def fail_session(session_id: UUID, reason: str, *, job_state: str | None = None) -> None:
    """Inside the tenant's scope: end a session that could not even begin."""
    session = Session.objects.select_for_update(of=("self",)).get(pk=session_id)
    if not session.is_open:
        return
    log(session_id, SessionLog.Level.ERROR, reason)
    session.state, session.reason = State.FAILED, reason
    _end(session, job_state=job_state)


def request_stop(session: Session) -> None:
    """Inside the tenant's scope: waiting mailboxes stop now, running ones at the next step."""
    Session.objects.filter(pk=session.pk, ended_at=None).update(cancel_requested_at=Now())
    # What a worker is claiming at this moment stops at its first step; waiting for its lock here,
    # with the session's row held, would be a deadlock.
    waiting_tasks = (
        Task.objects.filter(session=session, state=State.QUEUED)
        .order_by()
        .select_for_update(of=("self",), skip_locked=True)
    )
    Task.objects.filter(pk__in=[task.pk for task in waiting_tasks.only("pk")]).update(
        state=State.STOPPED, reason="Stopped before it was done.", ended_at=Now()
    )
    close_when_done(session.pk)


def queues_with_work() -> list[str]:
    """Queues in which a task waits whose time has come."""
    with operator_scope():
        tasks = Task.objects.filter(state=State.QUEUED, not_before__lte=Now())
        return list(tasks.order_by().values_list("queue", flat=True).distinct())


def _result(session: Session, tasks: Mapping[str, int]) -> State:
    if session.cancel_requested_at:
        return State.STOPPED
    if tasks["total"] and tasks[State.FAILED] == tasks["total"]:
        return State.FAILED
    if tasks[State.FAILED] or tasks[State.WARNING] or tasks[State.STOPPED]:
        return State.WARNING
    return State.SUCCESS


def _reason(session: Session) -> str:
    """One line for a session that did not go well: what its mailboxes say, when they agree."""
    if session.state in (State.SUCCESS, State.STOPPED):
        return ""
    bad = Task.objects.filter(session=session).exclude(state=State.SUCCESS).exclude(reason="")
    reasons = bad.order_by().values_list("reason").annotate(tasks=Count("id"))[:2]
    if len(reasons) == 1:
        return str(reasons[0][0])
    return f"{bad.count()} mailboxes did not end well, for several reasons." if reasons else ""


def _end(session: Session, *, job_state: str | None = None) -> None:
    from backups.jobs.models import Job

    Session.objects.filter(pk=session.pk).update(
        state=session.state, reason=session.reason, ended_at=Now()
    )
    if session.job_id:
        Job.objects.filter(pk=session.job_id).update(state=job_state or session.state)
    session_ended(session)
