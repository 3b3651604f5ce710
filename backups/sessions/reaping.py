"""Taking tasks back from workers that died, hung or lost the database.

Giving a task back too early costs time, never data: its attempt stays counted, so if the worker
lives after all, its writes are refused.
"""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from uuid import UUID

from django.db import connections, transaction
from django.db.models.functions import Now

from backups.sessions.models import SessionLog, State, Task
from backups.sessions.services import close_when_done, lease_seconds, log
from tenants.isolation.scope import OPERATOR, tenant_scope

MAX_DEATHS = 10
"""After so many claims in a row that never reported back, a task is given up: it kills its
workers."""

_GIVE_BACK = """
UPDATE backups_task SET state = 'queued', lease_until = NULL, lease_owner = '',
    deaths = deaths + 1, not_before = now(),
    lost_fence = least(lost_fence, fence), fence = NULL,
    lost_head = (SELECT head FROM backups_mailboxbackup b WHERE b.id = backup_id)
WHERE id IN (SELECT id FROM backups_task WHERE state = 'running' AND {} FOR UPDATE SKIP LOCKED)
RETURNING id, tenant_id, queue
"""

# What lies further ahead than anybody puts it was written while the database's clock was ahead.
# A lease is cut to a whole one, not ended: whoever lives extends it in time.
_PUT_RIGHT = (
    "UPDATE backups_task SET lease_until = now() + make_interval(secs => %(lease)s)"
    " WHERE state = 'running' AND lease_until > now() + 2 * make_interval(secs => %(lease)s)",
    "UPDATE backups_task SET not_before = now()"
    " WHERE state = 'queued' AND not_before > now() + interval '2 days'",
    "UPDATE backups_session SET prepare_after = now()"
    " WHERE state = 'queued' AND prepare_after > now() + interval '2 days'",
)


def own_name() -> str:
    """Who holds a lease: host, process and thread, so that others can tell whether it lives."""
    return f"{socket.gethostname()}/{os.getpid()}/{threading.get_native_id()}"[:100]


def reap() -> set[str]:
    """The tick: give back the tasks whose lease ran out. Returns the queues with work again."""
    with transaction.atomic(using=OPERATOR), connections[OPERATOR].cursor() as cursor:
        for statement in _PUT_RIGHT:
            cursor.execute(statement, {"lease": lease_seconds()})
    return _give_back("lease_until < now()", [])


def reap_dead(queue: str) -> None:
    """Give back what processes of this host held that are gone, and what this thread held.

    A worker does this before it claims: a process that was killed a moment ago is not waited for
    until its lease runs out. A thread that claims has ended its slice, so what it still holds was
    lost with the database.
    """
    held = Task.objects.using(OPERATOR).filter(
        queue=queue, state=State.RUNNING, lease_owner__startswith=f"{socket.gethostname()}/"
    )
    owners = set(held.order_by().values_list("lease_owner", flat=True).distinct())
    gone = [owner for owner in owners if owner == own_name() or not _alive(owner)]
    if gone:
        _give_back("queue = %s AND lease_owner = ANY(%s)", [queue, gone])


def _alive(owner: str) -> bool:
    process = owner.split("/")[1] if owner.count("/") == 2 else ""
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (PermissionError, ValueError):
        return True
    return not _is_zombie(process)


def _is_zombie(process: str) -> bool:
    """Whether it is dead, and only nobody has asked for its exit status (Linux, see proc(5))."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False


def _give_back(condition: str, values: list[str | list[str]]) -> set[str]:
    with transaction.atomic(using=OPERATOR), connections[OPERATOR].cursor() as cursor:
        cursor.execute(_GIVE_BACK.format(condition), values)
        reaped = cursor.fetchall()
    for task_id, tenant_id, _queue in reaped:
        with tenant_scope(tenant_id):
            _note_death(task_id)
    return {queue for _id, _tenant, queue in reaped}


def _note_death(task_id: UUID) -> None:
    """Say that the task's worker died, and end the task when it will not be taken up again.

    One that killed too many workers is ended as failed.
    """
    task = Task.objects.select_related("mailbox", "session").get(pk=task_id)
    message = (
        f"The worker stopped reporting (attempt {task.attempt}); the mailbox is taken up again."
    )
    log(task.session_id, SessionLog.Level.WARNING, message, mailbox=task.mailbox.address)
    if task.session.cancel_requested_at is not None:
        _end_waiting(task, State.STOPPED, "Stopped by request; what was stored stays.")
    elif task.deaths >= MAX_DEATHS:
        reason = f"Given up after {task.deaths} workers stopped reporting while working on it."
        _end_waiting(task, State.FAILED, reason)


def _end_waiting(task: Task, state: State, reason: str) -> None:
    ended = Task.objects.filter(pk=task.pk, state=State.QUEUED).update(
        state=state, reason=reason, ended_at=Now()
    )
    if ended:
        log(task.session_id, SessionLog.Level.ERROR, reason, mailbox=task.mailbox.address)
        close_when_done(task.session_id)
