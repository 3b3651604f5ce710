"""`manage.py database`: the local PostgreSQL by hand."""

import os
import shutil

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal import environment
from portal.database import ROLES, SUPERUSER, DatabaseError, LocalDatabase
from portal.database.account import account_for
from portal.database.binaries import find


class Command(BaseCommand):
    help = "Start, stop and look at the local PostgreSQL of the data folder."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("start", help="start it; it keeps running until 'stop'")
        verbs.add_parser("stop", help="stop it")
        verbs.add_parser("status", help="say whether it runs; exit status 3 when it does not")
        verbs.add_parser("clean", help="stop it and delete what lies outside the data folder")
        for verb, words in (("url", "print a role's address"), ("shell", "open psql as a role")):
            verbs.add_parser(verb, help=words).add_argument(
                "role", nargs="?", default=ROLES["owner"], choices=[*ROLES.values(), SUPERUSER]
            )

    def handle(self, *, verb: str, role: str = "", **options: object) -> None:
        if not environment.uses_local_database():
            raise CommandError("PORTAL_DATABASE_URL is set: the local database is not in use.")
        database = LocalDatabase(settings.DATA_DIR)
        try:
            if verb == "start":
                database.start(tethered=False)
                self._status(database)
            elif verb == "stop":
                self.stdout.write("stopped" if database.stop() else "was not running")
            elif verb == "status":
                self._status(database)
            elif verb == "clean":
                database.remove()
            elif verb == "url":
                self.stdout.write(database.url(role))
            else:
                self._shell(database, role)
        except DatabaseError as error:
            raise CommandError(str(error)) from error

    def _status(self, database: LocalDatabase) -> None:
        status = database.status()
        if not status.running:
            raise CommandError(f"not running ({status.place.cluster})", returncode=3)
        self.stdout.write(f"running: process {status.pid}, {status.place.cluster}")

    def _shell(self, database: LocalDatabase, role: str) -> None:
        beside = find(account_for(database.place)).folder / "psql"
        psql = str(beside) if beside.exists() else shutil.which("psql")
        if psql is None:
            raise CommandError("no psql was found; 'url' prints an address for another client.")
        os.execv(psql, [psql, database.url(role)])  # noqa: S606 - becoming psql is the purpose
