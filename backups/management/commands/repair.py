"""`manage.py repair TENANT`: look at what is damaged again; it marks, and deletes nothing."""

from __future__ import annotations

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from backups.verifications.models import Level


class Command(BaseCommand):
    help = (
        "Read a tenant's damaged objects again: what can be read is used again, the rest stays"
        " out of use until the next backup of the same content stores it anew."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="its slug")

    def handle(self, *, tenant: str, **options: object) -> None:
        call_command("verify", tenant, level=Level.REPAIR, stdout=self.stdout, stderr=self.stderr)
