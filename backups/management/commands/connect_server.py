"""`manage.py connect_server`: an organization of Exchange Server, or one beside Exchange Online."""

from __future__ import annotations

from pathlib import Path

from django.core.management.base import BaseCommand, CommandError, CommandParser

from backups.management.lookups import tenant_by_slug
from backups.organizations.connections import source_for
from backups.organizations.discovery import discover_mailboxes
from backups.organizations.exchange_server import (
    ServerAccess,
    connect_server,
    set_server,
    with_address,
)
from backups.organizations.models import ExchangeServer, Organization
from backups.organizations.refusal import OrganizationRefused
from backups.sources import SourceError
from tenants.isolation.scope import tenant_scope


class Command(BaseCommand):
    help = "Connect an Exchange Server, or change how it is reached, and check it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="its slug")
        parser.add_argument(
            "name", help="of the organization; one of Exchange Online becomes hybrid"
        )
        parser.add_argument("--url", default="", help="of Exchange.asmx; else by Autodiscover")
        parser.add_argument("--auth", choices=ExchangeServer.Auth.values, default="ntlm")
        parser.add_argument("--account", default="", help="DOMAIN\\name or an address")
        parser.add_argument("--password-file", type=Path, help="its first line is the password")
        parser.add_argument("--addresses", type=Path, required=True, help="one in each line")
        parser.add_argument("--public-folders-through", default="", help="address of a mailbox")
        parser.add_argument("--without-impersonation", action="store_true")
        parser.add_argument("--trust", type=Path, help="PEM file of the authority to trust")
        parser.add_argument("--proxy", default="", help="address of a web proxy before the server")

    def handle(
        self,
        *,
        tenant: str,
        name: str,
        url: str,
        auth: str,
        account: str,
        password_file: Path | None,
        addresses: Path,
        public_folders_through: str,
        without_impersonation: bool,
        trust: Path | None,
        proxy: str,
        **options: object,
    ) -> None:
        owner = tenant_by_slug(tenant)
        access = ServerAccess(
            url=url,
            account=account,
            password=_text(password_file).partition("\n")[0] if password_file else "",
            auth=auth,
            impersonation=not without_impersonation,
            trust=_text(trust) if trust else "",
            proxy_url=proxy,
            addresses=tuple(_text(addresses).split()),
            public_folders_through=public_folders_through,
        )
        with tenant_scope(owner.pk):
            organization = self._connected(name, access)
            source = source_for(organization)
        try:
            for state in source.check():
                mark = "granted" if state.granted else "MISSING"
                self.stdout.write(f"{mark:<8} {state.permission:<32} {state.purpose}")
            found = discover_mailboxes(organization.pk, owner.pk)
        except SourceError as error:
            raise CommandError(f"{name} is noted, but cannot be reached yet: {error}") from error
        finally:
            source.close()
        self.stdout.write(f"{name} is connected: {found} mailboxes.")

    def _connected(self, name: str, access: ServerAccess) -> Organization:
        known = Organization.objects.filter(name=name).first()
        try:
            access = with_address(access)
            if known is None:
                return connect_server(name=name, access=access)
            set_server(organization=known, access=access)
        except OrganizationRefused as refusal:
            raise CommandError(f"{refusal.field or 'organization'}: {refusal}") from refusal
        return known


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file}: {error}") from error
