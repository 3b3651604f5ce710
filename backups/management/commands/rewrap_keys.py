"""`manage.py rewrap_keys FILE`: every tenant's keys under a new root key as well."""

from __future__ import annotations

from pathlib import Path

from django.core.management.base import BaseCommand, CommandError, CommandParser

from backups.infrastructure.custody import wrap_all_by
from backups.repository import RepositoryError, RootKey, RootKeyError


class Command(BaseCommand):
    help = (
        "Wrap every tenant's keys by a new root key, which is made when the file is not there."
        " Then set PORTAL_ROOT_KEY_FILE to it, restart everything, and run retire_keys."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the new root key")

    def handle(self, *, file: Path, **options: object) -> None:
        try:
            new = RootKey.from_file(file) if file.exists() else RootKey.generate_file(file)
            for tenant in wrap_all_by(new):
                self.stdout.write(f"{tenant}: wrapped by key {new.id} as well")
        except (RootKeyError, RepositoryError) as error:
            raise CommandError(f"{error}. Run it again when that is mended.") from error
        self.stdout.write(
            "Back the new file up (docs/keys.md), set PORTAL_ROOT_KEY_FILE to it, restart the"
            " portal and the workers, then run: manage.py retire_keys"
        )
