"""`manage.py allocate TENANT REPOSITORY`: a tenant's share of a repository."""

from __future__ import annotations

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError

from backups.infrastructure.services import allocate
from backups.management.lookups import repository_by_name, tenant_by_slug

GIGABYTE = 1024**3


class Command(BaseCommand):
    help = "Give a tenant a share of a repository."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="its slug")
        parser.add_argument("repository", help="its name")
        parser.add_argument("--name", help="what the tenant calls it; default: <tenant>'s mail")
        parser.add_argument("--quota-gb", type=int, help="in units of 1024³ bytes")

    def handle(
        self,
        *,
        tenant: str,
        repository: str,
        name: str | None,
        quota_gb: int | None,
        **options: object,
    ) -> None:
        owner, place = tenant_by_slug(tenant), repository_by_name(repository)
        try:
            allocation = allocate(
                tenant=owner,
                repository=place,
                name=name or f"{owner.name}'s mail",
                quota_bytes=None if quota_gb is None else quota_gb * GIGABYTE,
            )
        except IntegrityError as error:
            raise CommandError(f"{owner} has a share of {place} already.") from error
        self.stdout.write(f"{owner} may use {place} as {allocation}.")
