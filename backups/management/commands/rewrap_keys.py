"""`manage.py rewrap_keys FILE`: every tenant's keys under a new root key as well."""

from __future__ import annotations

from pathlib import Path

from django.core.management.base import BaseCommand, CommandError, CommandParser

from backups.infrastructure.custody import wrap_all_by
from backups.infrastructure.wrapping import service_key
from backups.repository import KeyWrapper, RepositoryError, RootKey, RootKeyError


class Command(BaseCommand):
    help = (
        "Wrap every tenant's keys by a new root key, which is made when the file is not there, or"
        " by a key service. Then set it, restart everything, and run retire_keys."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, nargs="?", help="the new root key")
        parser.add_argument(
            "--service", metavar="MODULE:FACTORY", help="a key service instead of a file"
        )

    def handle(self, *, file: Path | None, service: str | None, **options: object) -> None:
        if (file is None) == (service is None):
            raise CommandError("Name the new root key's file, or a key service.")
        try:
            new = _root_key(file) if file is not None else service_key(service or "", "--service")
            for tenant in wrap_all_by(new):
                self.stdout.write(f"{tenant}: wrapped by key {new.id} as well")
        except (RootKeyError, RepositoryError) as error:
            raise CommandError(f"{error}. Run it again when that is mended.") from error
        first = (
            f"Set PORTAL_KEY_SERVICE to {service}"
            if file is None
            else "Back the new file up (docs/keys.md), set PORTAL_ROOT_KEY_FILE to it"
        )
        self.stdout.write(
            f"{first}, restart the portal and the workers, then run: manage.py retire_keys"
        )


def _root_key(file: Path) -> KeyWrapper:
    return RootKey.from_file(file) if file.exists() else RootKey.generate_file(file)
