"""`manage.py up`: the whole portal on one host, as one process tree."""

from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from backups.infrastructure.keys import ensure_root_key
from backups.infrastructure.services import default_proxy
from portal import environment, processes
from portal.celery import app
from portal.database.connections import reconnect
from portal.messages import Folder
from portal.supervisor import Supervisor, SupervisorError


class Command(BaseCommand):
    help = "Run database, migrations, web server, scheduler and workers until Ctrl-C or SIGTERM."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address of the web server")
        parser.add_argument("--port", type=int, default=8000, help="its port; 0 takes a free one")

    def handle(self, *, host: str, port: int, **options: object) -> None:
        supervisor = Supervisor(settings.DATA_DIR, database=environment.uses_local_database())
        try:
            port = processes.free_port(host, port)
        except OSError as error:
            raise CommandError(
                f"can't listen on {host}:{port} ({error.strerror}): choose another with --port."
            ) from error
        environment.preset("PUBLIC_URL", f"http://localhost:{port}")
        try:
            with supervisor:
                prepare(supervisor)
                proxy = default_proxy()
                supervisor.start(
                    processes.portal(
                        host, port, proxy_queue=proxy.queue, proxy_tasks=proxy.tasks_at_once
                    )
                )
                supervisor.say(f"ready on http://{host}:{port}/")
                supervisor.run_forever()
        except SupervisorError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            supervisor.say("interrupted while starting")


def prepare(supervisor: Supervisor) -> None:
    """Database, broker folder and tables, in the order in which they need each other."""
    supervisor.start_database()
    reconnect(settings.DATA_DIR)
    Path(settings.STATIC_ROOT).mkdir(exist_ok=True)
    broker = app.conf.broker_transport_options.get("folder")
    if broker:
        Folder(Path(broker)).clear_control()
    supervisor.run(processes.manage("migrate", "migrate", "--database", "owner", "--no-color"))
    ensure_root_key()
