"""`manage.py demo`: `up` with a sandbox Exchange, sample mail, and the main job from end to end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal import environment, processes
from portal.demo.load import LoadRefused, load_mail
from portal.demo.play import DemoFailed, Summary, play
from portal.demo.stage import SignIn, Stage
from portal.demo.watch import Stalled
from portal.management.commands.up import prepare
from portal.supervisor import Supervisor, SupervisorError


class Command(BaseCommand):
    help = "Run the portal with a sandbox Exchange and two tenants, back up, restore and compare."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="the web server's port")
        parser.add_argument(
            "--mail", type=Path, help="a folder of .eml, .mbox, .ics, .vcf and .msg files to load"
        )
        parser.add_argument("--once", action="store_true", help="stop when everything is compared")
        parser.add_argument("--json", action="store_true", help="print a JSON object as last line")

    def handle(
        self, *, port: int, mail: Path | None, once: bool, json: bool, **options: object
    ) -> None:
        log = settings.DATA_DIR / "demo.log"
        settings.DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with log.open("a", encoding="utf-8", buffering=1) as lines:
                self._run(port, mail, once, json, lambda line: print(line, file=lines))
        except (SupervisorError, LoadRefused, DemoFailed, Stalled) as error:
            raise CommandError(f"{error}\nThe processes' log: {log}") from error
        except KeyboardInterrupt:
            self._say("Interrupted; everything is stopped.")

    def _run(
        self, port: int, mail: Path | None, once: bool, json: bool, output: Callable[[str], None]
    ) -> None:
        port = self._free_port(port, once)
        environment.preset("PUBLIC_URL", f"http://localhost:{port}")
        supervisor = Supervisor(
            settings.DATA_DIR, output=output, database=environment.uses_local_database()
        )
        with supervisor:
            stage = Stage(settings.DATA_DIR)
            load_mail(stage, mail, self._say)
            self._say("Starting database, sandbox Exchange, web server, scheduler and workers.")
            prepare(supervisor)
            sandbox_port = stage.sandbox_port()
            allow_server(f"127.0.0.1:{sandbox_port}")
            default, second = stage.proxies()
            supervisor.start(
                [
                    processes.sandbox(stage.sandbox_dir, sandbox_port),
                    *processes.portal("127.0.0.1", port, proxy_queue=default.queue),
                    processes.worker("proxy-2", [second.queue], concurrency=second.tasks_at_once),
                ]
            )
            companies = stage.companies(f"https://127.0.0.1:{sandbox_port}")
            sign_ins = stage.sign_ins()
            passphrases = stage.passphrase_files()
            summary = play(stage, companies, self._say)
            summary.passphrases = [str(file) for file in passphrases]
            self._tell(summary, f"http://127.0.0.1:{port}/", sign_ins)
            if json:
                sys.stdout.write(summary.to_json() + "\n")
                sys.stdout.flush()
            if not summary.verified:
                raise DemoFailed("What was restored could not be verified.")
            if not once:
                self._say("Serving until Ctrl-C.")
                supervisor.run_forever()

    def _free_port(self, port: int, once: bool) -> int:
        """The wanted port; with --once any other will do, for nobody looks at the pages."""
        try:
            return processes.free_port("127.0.0.1", port)
        except OSError as error:
            if once:
                return processes.free_port("127.0.0.1", 0)
            raise CommandError(
                f"can't listen on port {port} ({error.strerror}):"
                ' choose another with make demo ARGS="--port N".'
            ) from error

    def _tell(self, summary: Summary, address: str, sign_ins: list[SignIn]) -> None:
        stored = sum(int(entry["bytes"]) for entry in summary.repositories)
        self._say(
            f"\n{summary.items} items of {summary.mailboxes} mailboxes,"
            f" {summary.bytes / 1e6:.1f} MB exported, {stored / 1e6:.1f} MB stored."
            f"\n{summary.restored} message deleted, restored and compared;"
            f" every item compared byte by byte: {'equal' if summary.verified else 'NOT equal'}."
            f"\n\nPortal: {address}"
        )
        for person in sign_ins:
            self._say(f"  {person.role:<24} {person.email:<28} {person.password}")
        self._say("\nRecovery passphrases, for a tenant who leaves (docs/leaving.md):")
        for file in summary.passphrases:
            self._say(f"  {file}")
        self._say("Repositories:")
        for entry in summary.repositories:
            self._say(f"  {entry['path']}")
        self._say("")

    def _say(self, line: str) -> None:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


def allow_server(pattern: str) -> None:
    """Let organizations name the sandbox's address, in this process and in those it starts."""
    allowed = [*settings.ALLOWED_SERVERS, pattern]
    settings.ALLOWED_SERVERS = allowed
    os.environ["PORTAL_ALLOWED_SERVERS"] = ",".join(allowed)
