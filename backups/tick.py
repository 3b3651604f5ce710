"""The tick: everything that time alone brings about. Every few seconds, on the control queue."""

from __future__ import annotations

import logging

from django.db import connections, transaction
from django.utils import timezone

from backups.infrastructure.services import default_proxy
from backups.jobs.services import start_due_jobs
from backups.sessions.bell import ring, ring_prepare
from backups.sessions.models import Kind, Session, State
from backups.sessions.services import queues_with_work, reap
from tenants.isolation.scope import OPERATOR, operator_scope

log = logging.getLogger(__name__)

_LOCK = 0x53544F57
"""Advisory lock of the tick: of two schedulers, one does nothing."""


def tick() -> bool:
    """Start due jobs, reap leases, ring again for whatever waits. False when another tick runs."""
    with transaction.atomic(using=OPERATOR), connections[OPERATOR].cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            return False
        default_proxy()
    reap()
    started = start_due_jobs(timezone.now())
    if started:
        log.info("started %d due jobs", started)
    for queue in queues_with_work():
        ring(queue)
    _ring_unprepared()
    return True


def _ring_unprepared() -> None:
    """Sessions that wait to be prepared: their ring may have been lost."""
    with operator_scope():
        sessions = Session.objects.filter(
            kind=Kind.BACKUP, state=State.QUEUED, mailboxes_total=0
        ).values_list("pk", "tenant_id")[:1000]
        waiting = list(sessions)
    for session_id, tenant_id in waiting:
        ring_prepare(session_id, tenant_id)
