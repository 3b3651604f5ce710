"""The Celery application: a doorbell. What is to be done is in the database.

Three kinds of queue: `control` (tick, outbox, anything short), `interactive` (preview, restore,
export) and one `proxy_<12 hex digits>` per proxy for bulk work. Proxies come and go while the
portal runs, so their queues are declared when they are first named; any other name is refused.
"""

import os
import re
from pathlib import Path

from celery import Celery
from celery.app.amqp import AMQP
from celery.app.amqp import Queues as CeleryQueues
from celery.schedules import crontab
from celery.signals import worker_shutting_down
from kombu import Exchange, Queue
from kombu.transport import TRANSPORT_ALIASES

from portal.transport import closing

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

CONTROL = "control"
INTERACTIVE = "interactive"
PROXY = re.compile(r"proxy_[0-9a-f]{12}")

# The stock transport loses messages; portal/transport.py says how.
TRANSPORT_ALIASES["filesystem"] = "portal.transport:Transport"


def queue(name: str) -> Queue:
    """A queue on the default exchange: a ring needs no binding that could be missing."""
    return Queue(name, exchange=Exchange(""), routing_key=name)


class Queues(CeleryQueues):
    """Declares a proxy's queue when it is first named; refuses every other unknown name."""

    def __missing__(self, name: str) -> Queue:
        if not PROXY.fullmatch(name):
            raise KeyError(name)
        return self._add(queue(name))

    def _add(self, queue: Queue) -> Queue:
        self[queue.name] = queue
        return queue

    def __setitem__(self, name: str, queue: Queue) -> None:
        # Celery's own would move it from the default exchange to one of the application's.
        dict.__setitem__(self, name, queue)


class QueuesOnDemand(AMQP):
    queues_cls = Queues


def celery_settings(data_dir: Path, broker_url: str) -> dict[str, object]:
    """Celery's settings in lower case; settings.py puts them under `CELERY_`.

    Without a broker's address messages are files below the data folder.
    """
    options: dict[str, object] = {}
    if not broker_url or broker_url.startswith("filesystem:"):
        broker_url = "filesystem://localhost//"
        options = {"folder": str(data_dir / "broker"), "polling_interval": 0.1}
    elif broker_url.startswith(("redis", "valkey", "sentinel")):
        options = {"visibility_timeout": 3600}
    elif broker_url.startswith(("amqp", "pyamqp")):
        options = {"confirm_publish": True}
    return {
        "broker_url": broker_url,
        "broker_transport_options": options,
        "broker_connection_retry_on_startup": True,
        "timezone": "UTC",
        "enable_utc": True,
        "accept_content": ["json"],
        "task_serializer": "json",
        "task_ignore_result": True,
        "task_acks_late": True,
        "task_create_missing_queues": False,
        "task_queues": [queue(CONTROL), queue(INTERACTIVE)],
        "task_default_queue": CONTROL,
        "task_default_exchange": "",
        "task_default_routing_key": CONTROL,
        # A slice works for ten minutes at most, then checkpoints and rings again.
        "task_soft_time_limit": 12 * 60,
        "task_time_limit": 15 * 60,
        "worker_prefetch_multiplier": 1,
        "worker_max_tasks_per_child": 200,
        "worker_max_memory_per_child": 400_000,
        "worker_soft_shutdown_timeout": 5.0,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "beat_schedule_filename": str(data_dir / "schedule"),
        "beat_schedule": {
            "tick": {
                "task": "backups.tick",
                "schedule": 10.0,
                # A worker that comes back finds one tick, not all that were missed.
                "options": {"queue": CONTROL, "expires": 10},
            },
            "sample usage": {
                "task": "backups.sample_usage",
                # Past the hour: what ended with the day has been written by then.
                "schedule": crontab(minute="20"),
                "options": {"queue": CONTROL, "expires": 50 * 60},
            },
            "outbox": {
                "task": "tenants.send_outbox",
                "schedule": 30.0,
                "options": {"queue": CONTROL, "expires": 30},
            },
        },
    }


app = Celery("portal", amqp=QueuesOnDemand)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_shutting_down.connect
def stop_waiting(**about: object) -> None:
    """Let the worker's main process look at its stop flag now."""
    closing.set()
