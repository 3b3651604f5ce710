"""The tick: everything that time alone brings about. Every few seconds, on the control queue."""

from __future__ import annotations

import logging

from django.db.models.functions import Now
from django.utils import timezone

from backups.destruction.due import due_places
from backups.infrastructure.services import default_proxy
from backups.jobs.services import start_due_jobs
from backups.retention import runs as collections
from backups.retention.clock import note_clock
from backups.retention.due import due_shares
from backups.sessions.bell import (
    ring,
    ring_collect,
    ring_destruction,
    ring_prepare,
    ring_retention,
    ring_verify,
)
from backups.sessions.models import Kind, Session, State
from backups.sessions.reaping import reap
from backups.sessions.services import queues_with_work
from backups.verifications import services as verifications
from tenants.isolation.scope import operator_scope

log = logging.getLogger(__name__)


def tick() -> None:
    """Reap leases, start due jobs, ring again for whatever waits.

    Two at once do no harm: each step takes what it does by a conditional update, and a ring too
    many finds nothing. A step that fails is logged and leaves the others alone.
    """
    for step in (
        note_clock,
        default_proxy,
        reap,
        _start_due,
        _ring_waiting,
        _ring_unprepared,
        _ring_retention,
        _ring_destructions,
        _start_verifications,
        _ring_verifications,
        _start_collections,
        _ring_collections,
    ):
        try:
            step()
        except Exception:
            log.exception("the tick's step %s failed; the next tick does it again", step.__name__)


def _start_due() -> None:
    started = start_due_jobs(timezone.now())
    if started:
        log.info("started %d due jobs", started)


def _ring_waiting() -> None:
    for queue in queues_with_work():
        ring(queue)


def _start_verifications() -> None:
    started = verifications.start_due(timezone.now())
    if started:
        log.info("started %d verifications", started)


def _ring_verifications() -> None:
    for queue in verifications.queues_with_work():
        ring_verify(queue)


def _ring_unprepared() -> None:
    """Sessions that wait to be prepared: their ring may have been lost, or their time has come."""
    with operator_scope():
        sessions = Session.objects.filter(
            kind=Kind.BACKUP, state=State.QUEUED, mailboxes_total=0, prepare_after__lte=Now()
        ).values_list("pk", "tenant_id")[:1000]
        waiting = list(sessions)
    for session_id, tenant_id in waiting:
        ring_prepare(session_id, tenant_id)


def _ring_retention() -> None:
    for repository_id, tenant_id, queue in due_shares():
        ring_retention(repository_id, tenant_id, queue)


def _ring_destructions() -> None:
    for place_id, tenant_id, queue in due_places():
        ring_destruction(place_id, tenant_id, queue)


def _start_collections() -> None:
    started = collections.start_due()
    if started:
        log.info("queued %d collections", started)


def _ring_collections() -> None:
    for queue in collections.queues_with_work():
        ring_collect(queue)
