"""Celery tasks: a base class, ids in, a service call."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from backups.destruction.work import work_on
from backups.infrastructure.usage import measure
from backups.retention import applying, collecting
from backups.sessions import bell, prepare, slices
from backups.tick import tick as run_tick
from backups.verifications import work
from tenants.billing.services import sample_missed_days
from tenants.isolation.scope import require_tenant
from tenants.isolation.tasks import SystemTask, TenantTask


@shared_task(base=SystemTask, name="backups.tick")
def tick() -> None:
    run_tick()


@shared_task(base=SystemTask, name=bell.RUN_QUEUE)
def run_queue(queue: str) -> None:
    if slices.run_queue(queue):
        bell.ring(queue)


@shared_task(base=SystemTask, name=bell.VERIFY)
def verify(queue: str) -> None:
    if work.run_queue(queue):
        bell.ring_verify(queue)


# Reading what is needed begins anew when it is broken off, so it may take its time.
@shared_task(base=SystemTask, name=bell.COLLECT, soft_time_limit=86_000, time_limit=86_400)
def collect(queue: str) -> None:
    if collecting.run_queue(queue):
        bell.ring_collect(queue)


@shared_task(base=TenantTask, name=bell.PREPARE)
def prepare_session(session_id: str) -> None:
    prepare.prepare_session(UUID(session_id), require_tenant())


@shared_task(base=TenantTask, name=bell.RETENTION)
def apply_retention(repository_id: str) -> None:
    applying.apply_due(UUID(repository_id), require_tenant())


@shared_task(base=TenantTask, name=bell.DESTROY)
def destroy(place_id: str) -> None:
    work_on(UUID(place_id), require_tenant())


@shared_task(base=SystemTask, name="backups.sample_usage")
def sample_usage() -> None:
    sample_missed_days(meter=measure)
