"""Celery as the doorbell: a message says that a queue has work, never which.

A ring that is lost costs at most one tick: the tick rings every queue in which work waits. A
ring too many finds nothing to claim.
"""

from __future__ import annotations

import logging
from uuid import UUID

from celery import current_app
from kombu.exceptions import OperationalError

from tenants.isolation.tasks import TENANT_HEADER

log = logging.getLogger(__name__)

CONTROL = "control"
INTERACTIVE = "interactive"
RUN_QUEUE = "backups.run_queue"
PREPARE = "backups.prepare_session"
RETENTION = "backups.apply_retention"
VERIFY = "backups.verify"
DESTROY = "backups.destroy"
COLLECT = "backups.collect"
_STALE = 300
"""Seconds after which an unheard ring is thrown away; the tick has rung again by then."""


def ring(queue: str) -> None:
    """Tell the workers of a queue that there is work. Never raises: the tick rings again."""
    _send(RUN_QUEUE, [queue], queue, {})


def ring_verify(queue: str) -> None:
    """Tell the workers of a queue that a verification waits."""
    _send(VERIFY, [queue], queue, {})


def ring_collect(queue: str) -> None:
    """Tell the workers of a queue that a collection waits."""
    _send(COLLECT, [queue], queue, {})


def ring_prepare(session_id: UUID, tenant_id: UUID) -> None:
    """Ask the control worker to find out what a session has to do."""
    _send(PREPARE, [str(session_id)], CONTROL, {TENANT_HEADER: str(tenant_id)})


def ring_retention(repository_id: UUID, tenant_id: UUID, queue: str) -> None:
    """Ask a proxy's worker to look what has become too old in a tenant's share."""
    _send(RETENTION, [str(repository_id)], queue, {TENANT_HEADER: str(tenant_id)})


def ring_destruction(place_id: UUID, tenant_id: UUID, queue: str) -> None:
    """Ask a proxy's worker to go on with a destruction in one of its repositories."""
    _send(DESTROY, [str(place_id)], queue, {TENANT_HEADER: str(tenant_id)})


def _send(name: str, args: list[str], queue: str, headers: dict[str, str]) -> None:
    try:
        current_app.send_task(name, args=args, queue=queue, headers=headers, expires=_STALE)
    except (OperationalError, OSError) as error:
        log.warning("the broker does not answer, the next tick rings again: %s", error)
