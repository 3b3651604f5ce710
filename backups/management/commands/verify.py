"""`manage.py verify TENANT`: verify what a tenant has stored, or look at known damage again."""

from __future__ import annotations

from django.core.management.base import BaseCommand, CommandError, CommandParser

from backups.infrastructure.models import Allocation
from backups.infrastructure.services import repository_of
from backups.management.lookups import tenant_by_slug
from backups.sessions.bell import ring_verify
from backups.verifications.models import Level
from backups.verifications.services import VerificationOpen, request
from tenants.isolation.scope import operator_scope


class Command(BaseCommand):
    help = "Queue a verification of each of a tenant's allocations; a worker does it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="its slug")
        parser.add_argument("--level", choices=Level.values, default=Level.FULL)

    def handle(self, *, tenant: str, level: str, **options: object) -> None:
        owner = tenant_by_slug(tenant)
        with operator_scope():
            allocations = list(Allocation.objects.filter(tenant=owner))
        if not allocations:
            raise CommandError(f"{owner} has no allocation.")
        for allocation in allocations:
            try:
                request(allocation=allocation, level=level)
            except VerificationOpen as refusal:
                self.stderr.write(str(refusal))
                continue
            ring_verify(repository_of(allocation).proxy.queue)
            self.stdout.write(f"{allocation.name}: {Level(level).label.lower()}, queued.")
