"""`manage.py adopt_repository PATH`: take over a repository whose database is lost."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from backups.catalog import words
from backups.organizations.adoption import adopt_repository, adopt_tenants
from backups.repository import RepositoryError, RootKeyError
from backups.repository.recovery import read_passphrase


class Command(BaseCommand):
    help = (
        "Take over a repository that no database knows: its tenants, mailboxes and keys, as far as"
        " the root key or a recovery passphrase opens them; then make their catalog again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument("--name", default="Recovered repository")
        parser.add_argument(
            "--recovery-passphrase-file", type=Path, metavar="F", help="opens one tenant's share"
        )

    def handle(
        self,
        *,
        folder: Path,
        name: str,
        recovery_passphrase_file: Path | None,
        **options: object,
    ) -> None:
        try:
            file = recovery_passphrase_file
            passphrase = None if file is None else read_passphrase(file)
            repository = adopt_repository(location=folder, name=name)
            self.stdout.write(f"{repository} is in {repository.location}.")
            opened, closed = [], 0
            for found in adopt_tenants(repository, passphrase):
                for error in found.errors:
                    self.stderr.write(f"tenant {found.tenant_id}: {error}")
                if found.tenant is None:
                    closed += 1
                    continue
                opened.append(found.tenant)
                self.stdout.write(f"{found.tenant.slug}: {found.mailboxes} mailboxes")
        except (RepositoryError, RootKeyError) as error:
            raise CommandError(str(error)) from error
        streams = {"stdout": self.stdout, "stderr": self.stderr}
        with words.made_last() if words.has_none() else nullcontext():
            for tenant in opened:
                call_command("rebuild_catalog", tenant=tenant.slug, resume=True, **streams)
        if closed:
            raise CommandError(f"The shares of {closed} tenants stay closed.")
