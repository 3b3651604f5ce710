"""Celery tasks of tenants and people: a base class, ids in, a service call."""

from __future__ import annotations

from celery import shared_task

from tenants.isolation.tasks import SystemTask
from tenants.notifications import sender, services


@shared_task(base=SystemTask, name=services.SEND_OUTBOX)
def send_outbox() -> None:
    if sender.send_waiting():
        services.ring()
