"""`manage.py destroy_backups TENANT`: all backups of a tenant, or of one mailbox, for good."""

from __future__ import annotations

from django.core.management.base import BaseCommand, CommandError, CommandParser

from backups.destruction.models import Destruction
from backups.destruction.services import (
    DestructionRefused,
    destroy_mailbox_backups,
    destroy_tenant_backups,
)
from backups.management.lookups import mailbox_by_address, tenant_by_slug
from tenants.isolation.scope import tenant_scope
from tenants.models import Tenant


class Command(BaseCommand):
    help = (
        "Destroy the keys of all backups of a tenant, who must be suspended, or of one of his"
        " mailboxes. Nobody can bring them back. The workers do it; a certificate says what went."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="its slug")
        parser.add_argument("--mailbox", metavar="ADDRESS", help="this one only")
        parser.add_argument("--reason", required=True, help="stands on the certificate")
        parser.add_argument(
            "--confirm",
            metavar="NAME",
            help="the slug or the address once more; asked for when it is missing",
        )

    def handle(
        self,
        *,
        tenant: str,
        mailbox: str | None,
        reason: str,
        confirm: str | None,
        **options: object,
    ) -> None:
        owner = tenant_by_slug(tenant)
        what = mailbox or owner.slug
        if confirm is None:
            try:
                confirm = input(f"All backups of {what} go for good. Type {what} to confirm: ")
            except EOFError:
                confirm = ""
        try:
            destruction = self._begin(owner, mailbox, reason, confirm)
        except DestructionRefused as refusal:
            raise CommandError(f"{refusal} Nothing was destroyed.") from refusal
        self.stdout.write(
            f"{destruction.subject}: nothing can be seen or restored any more; the workers destroy"
            f" what lies in the repositories. The certificate will be {destruction.pk}."
        )

    def _begin(self, owner: Tenant, address: str | None, reason: str, typed: str) -> Destruction:
        if address is None:
            return destroy_tenant_backups(tenant=owner, reason=reason, confirmation=typed)
        found = mailbox_by_address(owner, address)
        with tenant_scope(owner.pk):
            return destroy_mailbox_backups(mailbox=found, reason=reason, confirmation=typed)
