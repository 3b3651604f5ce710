"""`manage.py proxy run NAME`: the worker of a proxy, on this host."""

from __future__ import annotations

import os

from django.core.management.base import BaseCommand, CommandError, CommandParser

from backups.infrastructure.models import Proxy
from portal import processes
from tenants.isolation.scope import OPERATOR


class Command(BaseCommand):
    help = "Run the Celery worker that serves a proxy's queue, until SIGTERM or Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["run"])
        parser.add_argument("name", help="the proxy's name")

    def handle(self, *, action: str, name: str, **options: object) -> None:
        proxies = Proxy.objects.using(OPERATOR)
        proxy = proxies.filter(name=name).first()
        if proxy is None:
            known = ", ".join(proxies.values_list("name", flat=True)) or "none yet"
            raise CommandError(f"There is no proxy {name}. Proxies: {known}.")
        worker = processes.worker(proxy.queue, [proxy.queue], concurrency=proxy.tasks_at_once)
        self.stdout.write(f"{proxy} works on {proxy.tasks_at_once} tasks at once.")
        self.stdout.flush()
        # The worker takes this process' place, so that signals reach it without a go-between.
        command = list(worker.command)
        os.execve(command[0], command, {**os.environ, **worker.environment})  # noqa: S606
