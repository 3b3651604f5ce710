"""`manage.py retire_keys`: the end of the old root key."""

from __future__ import annotations

from django.core.management.base import BaseCommand, CommandError

from backups.infrastructure.custody import RetirementRefused, retire_all
from backups.repository import RepositoryError, RootKeyError


class Command(BaseCommand):
    help = "Remove wrapped keys that newer versions have replaced, in database and repositories."

    def handle(self, **options: object) -> None:
        try:
            for tenant, gone in retire_all():
                self.stdout.write(f"{tenant}: {gone} old versions removed")
        except (RootKeyError, RetirementRefused) as error:
            raise CommandError(
                f"{error}. Nothing of this tenant was removed; does this process run with the"
                " new root key?"
            ) from error
        except RepositoryError as error:
            raise CommandError(f"{error}. Some old versions are left: run it again.") from error
