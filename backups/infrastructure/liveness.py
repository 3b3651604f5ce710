"""A proxy is alive while one of its workers says so.

The worker's main process writes the heartbeat itself, from a thread: its children may be busy
for minutes, and Celery's own events would need a broker that carries them.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

from celery.signals import worker_init, worker_ready, worker_shutting_down
from django.db import DatabaseError, connections

from backups.infrastructure.models import Proxy
from backups.infrastructure.services import heartbeat
from tenants.isolation.checks import refuse_unsafe_roles
from tenants.isolation.scope import OPERATOR

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 10.0
_stop = threading.Event()


def connect() -> None:
    worker_init.connect(_check_roles, weak=False)
    worker_ready.connect(_begin, weak=False)
    worker_shutting_down.connect(_end, weak=False)


def _check_roles(**kwargs: Any) -> None:
    refuse_unsafe_roles()
    # A child forked later must not inherit an open connection.
    connections.close_all()


def _begin(sender: Any, **kwargs: Any) -> None:
    queues = {queue.name for queue in sender.task_consumer.queues}
    threading.Thread(target=_beat, args=(queues,), name="liveness", daemon=True).start()


def _end(**kwargs: Any) -> None:
    _stop.set()


def _beat(queues: set[str]) -> None:
    while True:
        try:
            for proxy in Proxy.objects.using(OPERATOR).all():
                if proxy.queue in queues:
                    heartbeat(proxy.pk)
        except DatabaseError as error:
            log.warning("the heartbeat could not be written: %s", error)
        # A child forked later must not inherit an open connection.
        connections.close_all()
        if _stop.wait(HEARTBEAT_SECONDS):
            return
